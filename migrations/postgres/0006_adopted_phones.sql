-- no-transaction
-- Numbers that nobody can sign in with, because they are not written as sign-in writes them. They are
-- kept as they are and flagged: which of two people a number belongs to, and what country a number
-- without one is of, is not for a migration to guess.
--   not_e164   it is not + and seven to fifteen digits
--   collides   nor is it alone: written the same way it would be another row's
-- In slices, each with its own commit, so that no row stays locked for as long as all of them take. A
-- flag that is there stays, so beginning again goes on where it ended. Alone in its file, since a
-- statement that commits may share its transaction with none.
-- plan: row exclusive on users, writes rows
do $$
declare
  total bigint;
  done bigint := 0;
begin
  drop table if exists pg_temp.odd_phones;
  create temporary table odd_phones on commit preserve rows as
  with stripped as (
    select id, regexp_replace(phone, '[\s().\-/\u00a0\u2010-\u2013\u202f]', '', 'g') as digits
    from users
    where phone !~ '^\+[1-9][0-9]{6,14}$' and phone_flag is null and archived_at is null
  ), written as (
    select id, case
      when digits ~ '^00[0-9]+$' then '+' || substr(digits, 3)
      when digits ~ '^[0-9]+$' then '+' || digits
      else digits
    end as phone
    from stripped
  )
  select row_number() over (order by w.id) as n, w.id,
    case when count(*) over (partition by w.phone) > 1
      or exists (select 1 from users u where u.phone = w.phone and u.id <> w.id)
    then 'collides' else 'not_e164' end as flag
  from written w;
  get diagnostics total = row_count;
  create index on pg_temp.odd_phones (n);
  commit;
  while done < total loop
    update users u set phone_flag = o.flag
    from pg_temp.odd_phones o
    where o.id = u.id and o.n > done and o.n <= done + 5000;
    done := done + 5000;
    commit;
  end loop;
  drop table pg_temp.odd_phones;
end
$$
