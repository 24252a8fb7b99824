-- Who may see which row. Three kinds of sessions reach these tables:
--   the backend itself, as the owner of the tables: row-level security does not apply to an owner, and
--     none is forced on it, for intake and jobs serve everybody;
--   the backend on behalf of one person, as `archety_user`: its user routes, one transaction a request;
--   Supabase's Data API, as `anon` (sees nothing) or `authenticated` (reads its own rows).
-- A table of a later migration must be listed there with `enable row level security`; a test looks.
-- Postgres only: SQLite has no other door than the backend.

set local lock_timeout = '500ms';
set local statement_timeout = 0;

-- Roles belong to the whole server: two databases that migrate at once may both find one missing.
-- On Supabase all but ours are there.
-- plan: nothing
do $$
declare
  wanted text;
begin
  foreach wanted in array array['anon', 'authenticated', 'service_role', 'archety_user'] loop
    if not exists (select 1 from pg_roles where rolname = wanted) then
      begin
        execute format('create role %I nologin', wanted);
      exception
        when duplicate_object or unique_violation then
          null;
        when insufficient_privilege then
          raise insufficient_privilege using
            message = format('the role %s is missing and this login may not create it', wanted),
            hint = 'give the login CREATEROLE, or create the roles anon, authenticated, service_role '
              'and archety_user (nologin) and grant archety_user to it';
      end;
    end if;
  end loop;
end
$$;

-- So that this login may become `archety_user`. A superuser may as it is; from Postgres 16 on being a
-- member is not enough, and whoever made a role has no more than the right to grant it.
-- plan: nothing
do $$
declare
  needed text := case when current_setting('server_version_num')::int >= 160000 then 'set' else 'member' end;
begin
  for attempt in 1..10 loop
    exit when pg_has_role(current_user, 'archety_user', needed);
    begin
      execute format('grant archety_user to %I', current_user);
    exception
      -- Another database of this server is granting the same at this moment. What the catalogue then
      -- reports has no name of its own.
      when unique_violation or internal_error then
        null;
    end;
  end loop;
end
$$;

-- Out of the Data API's reach, which exposes `public`. The schema `auth` is Supabase's alone.
create schema if not exists app;
revoke all on schema app from public, anon;
grant usage on schema app to authenticated, archety_user;

-- Whose session this is, by the claims of a token that somebody else has verified: PostgREST, or the
-- backend. Null for everybody who is not a confirmed, present person here, whatever the claims say.
create or replace function app.uid() returns uuid
language plpgsql stable security definer set search_path = ''
as $$
declare
  claims jsonb;
  claimed uuid;
begin
  begin
    -- After a transaction that set it, an unset setting reads as ''.
    claims := nullif(current_setting('request.jwt.claims', true), '')::jsonb;
    claimed := (claims ->> 'sub')::uuid;
  exception when others then
    return null;
  end;
  return (
    select a.user_id
    from public.accounts a join public.users u on u.id = a.user_id
    where a.issuer = claims ->> 'iss' and a.subject = claimed
      and a.confirmed_at is not null and u.archived_at is null
  );
end
$$;

-- Whether a conversation is a group's. Policies ask here, since nobody may read a group's row.
create or replace function app.is_group(conversation uuid) returns boolean
language plpgsql stable security definer set search_path = ''
as $$
begin
  return exists (select 1 from public.conversations c where c.id = conversation and c.mode = 'group');
end
$$;

revoke all on function app.uid(), app.is_group(uuid) from public, anon;
grant execute on function app.uid(), app.is_group(uuid) to authenticated, archety_user;

-- Every table is closed; what follows opens a few. Named one by one, since a database may hold tables
-- of somebody else. The older deployment's bookkeeping is closed with them where it is there.
-- plan: access exclusive on users, conversations, messages, relationships
do $$
declare
  closed text;
begin
  foreach closed in array array[
    '_sqlx_migrations', 'alembic_version', 'app_meta',
    'users', 'conversations', 'conversation_aliases', 'messages', 'participants', 'relationships',
    'relays', 'webhook_receipts', 'body_windows',
    'user_traits', 'trait_profiles', 'onboarding_sessions',
    'accounts', 'otp_codes', 'otp_challenges', 'rate_counters', 'sessions', 'session_tokens',
    'jobs', 'auth_events', 'tombstones', 'sealed_keys'
  ] loop
    if to_regclass(format('public.%I', closed)) is not null then
      execute format('alter table public.%I enable row level security', closed);
      execute format('revoke all on public.%I from public, anon, authenticated, archety_user', closed);
    end if;
  end loop;
end
$$;

-- Supabase grants everything on whatever is made in `public` later.
alter default privileges in schema public revoke all on tables from anon, authenticated;
alter default privileges in schema public revoke all on sequences from anon, authenticated;
alter default privileges in schema public revoke all on functions from anon, authenticated;

grant usage on schema public to authenticated, archety_user;
grant select on
  users, conversations, messages, relationships, user_traits, trait_profiles, onboarding_sessions
  to authenticated, archety_user;
-- No more than the user routes write.
grant update (name, meta_data, updated_at) on users to archety_user;
grant insert, update, delete on user_traits to archety_user;
grant insert, update on trait_profiles, onboarding_sessions to archety_user;

-- `(select app.uid())` is asked once a statement, not once a row. Each policy's first condition has an
-- index.
drop policy if exists own on users;
create policy own on users for select to authenticated, archety_user
  using (id = (select app.uid()));
drop policy if exists own_update on users;
create policy own_update on users for update to archety_user
  using (id = (select app.uid())) with check (id = (select app.uid()));

-- A direct conversation belongs to its owner, whoever else writes in it.
drop policy if exists own on conversations;
create policy own on conversations for select to authenticated, archety_user
  using (user_id = (select app.uid()) and mode = 'direct');

-- All of a person's direct conversations; in groups what they wrote themselves. An array, so that both
-- ways go by an index although they are joined by `or`.
drop policy if exists own on messages;
create policy own on messages for select to authenticated, archety_user
  using (
    conversation_id = any (array(
      select c.id from conversations c where c.user_id = (select app.uid()) and c.mode = 'direct'
    ))
    or (user_id = (select app.uid()) and app.is_group(conversation_id))
  );

drop policy if exists own on relationships;
create policy own on relationships for select to authenticated, archety_user
  using (user_id = (select app.uid()));

drop policy if exists own on user_traits;
create policy own on user_traits for select to authenticated, archety_user
  using (user_id = (select app.uid()));
drop policy if exists own_insert on user_traits;
create policy own_insert on user_traits for insert to archety_user
  with check (user_id = (select app.uid()));
drop policy if exists own_update on user_traits;
create policy own_update on user_traits for update to archety_user
  using (user_id = (select app.uid())) with check (user_id = (select app.uid()));
drop policy if exists own_delete on user_traits;
create policy own_delete on user_traits for delete to archety_user
  using (user_id = (select app.uid()));

drop policy if exists own on trait_profiles;
create policy own on trait_profiles for select to authenticated, archety_user
  using (user_id = (select app.uid()));
drop policy if exists own_insert on trait_profiles;
create policy own_insert on trait_profiles for insert to archety_user
  with check (user_id = (select app.uid()));
drop policy if exists own_update on trait_profiles;
create policy own_update on trait_profiles for update to archety_user
  using (user_id = (select app.uid())) with check (user_id = (select app.uid()));

drop policy if exists own on onboarding_sessions;
create policy own on onboarding_sessions for select to authenticated, archety_user
  using (user_id = (select app.uid()));
drop policy if exists own_insert on onboarding_sessions;
create policy own_insert on onboarding_sessions for insert to archety_user
  with check (user_id = (select app.uid()));
drop policy if exists own_update on onboarding_sessions;
create policy own_update on onboarding_sessions for update to archety_user
  using (user_id = (select app.uid())) with check (user_id = (select app.uid()));
