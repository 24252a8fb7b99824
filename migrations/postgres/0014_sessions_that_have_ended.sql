-- A person's own token opens Supabase's Data API for an hour, also after the session that it was issued to
-- has ended here. From now on it opens nothing then. The backend's own role names the person of a session
-- that it has looked at itself. A change of the catalogue alone; an earlier version goes on as before.

set local lock_timeout = '500ms';
set local statement_timeout = 0;

create or replace function app.uid() returns uuid
language plpgsql stable security definer set search_path = ''
as $$
declare
  claims jsonb;
  claimed uuid;
  person uuid;
begin
  begin
    -- After a transaction that set it, an unset setting reads as ''.
    claims := nullif(current_setting('request.jwt.claims', true), '')::jsonb;
    claimed := (claims ->> 'sub')::uuid;
  exception when others then
    return null;
  end;
  select a.user_id into person
    from public.accounts a join public.users u on u.id = a.user_id
    where a.issuer = claims ->> 'iss' and a.subject = claimed
      and a.confirmed_at is not null and u.archived_at is null;
  if person is null or current_setting('role', true) = 'archety_user' then
    return person;
  end if;
  return (
    select s.user_id from public.sessions s
    where s.upstream_session_id = claims ->> 'session_id' and s.user_id = person
      and s.issuer = claims ->> 'iss' and s.ended_at is null
      and s.expires_at > now() and s.idle_expires_at > now()
    limit 1
  );
end
$$;
