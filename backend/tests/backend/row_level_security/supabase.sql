-- Makes a fresh database look like Supabase's: {login} administers it without being a superuser.
-- Roles belong to the whole server, and other tests create the same roles at the same time.
do $$
declare
  wanted text;
begin
  foreach wanted in array array['anon', 'authenticated', 'service_role'] loop
    begin
      execute format('create role %I nologin', wanted);
    exception when duplicate_object or unique_violation then
      null;
    end;
  end loop;
end
$$;
do $$
begin
  create role {login} login createrole bypassrls nosuperuser password 'local';
exception when duplicate_object or unique_violation then
  null;
end
$$;
-- Two grants of one role at the same time can fail, so the grant is tried again.
do $$
begin
  for attempt in 1..50 loop
    begin
      grant anon, authenticated, service_role to {login};
      return;
    exception when unique_violation or internal_error then
      null;
    end;
  end loop;
end
$$;
alter database {database} owner to {login};

create schema auth;
create function auth.uid() returns uuid language sql stable as $$
  select coalesce(
    nullif(current_setting('request.jwt.claim.sub', true), ''),
    (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub')
  )::uuid
$$;
create function auth.role() returns text language sql stable as $$
  select nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'role'
$$;
create function auth.jwt() returns jsonb language sql stable as $$
  select nullif(current_setting('request.jwt.claims', true), '')::jsonb
$$;
create table auth.users (id uuid primary key, phone text unique);
revoke all on schema auth from public;
grant usage on schema auth to anon, authenticated, service_role, {login};
grant select on auth.users to {login};

grant usage on schema public to anon, authenticated, service_role;
grant all on schema public to {login};
alter default privileges for role {login} in schema public
  grant all on tables to anon, authenticated, service_role;
alter default privileges for role {login} in schema public
  grant all on sequences to anon, authenticated, service_role;
alter default privileges for role {login} in schema public
  grant all on functions to anon, authenticated, service_role;
