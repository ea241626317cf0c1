-- The roles of Outset's database: who owns the tables, who may change them, and who may only change
-- rows. A superuser runs it once, in the new database, before the first migration; to run it again
-- does no harm.
--
--     psql -d outset -f postgres-roles.sql
--
--   outset_owner     owns the database and all tables, and can't log in
--   outset_migrator  becomes the owner when it logs in: for `worker migrate`, and nothing else
--   outset_worker    reads and changes rows: for DATABASE_URL of the workers
--
-- Give the last two a password: \password outset_worker

begin;

do $$
declare
    wanted text;
begin
    foreach wanted in array array['outset_owner', 'outset_migrator', 'outset_worker'] loop
        if not exists (select from pg_roles where rolname = wanted) then
            execute format('create role %I noinherit', wanted);
            if wanted <> 'outset_owner' then
                execute format('alter role %I login', wanted);
            end if;
        end if;
    end loop;

    execute format('alter database %I owner to outset_owner', current_database());
    -- Without this everybody may connect, and make temporary tables.
    execute format('revoke all on database %I from public', current_database());
    execute format('grant connect on database %I to outset_migrator, outset_worker',
        current_database());
    -- What the migrator makes belongs to the owner.
    execute format('alter role outset_migrator in database %I set role to outset_owner',
        current_database());
end
$$;

grant outset_owner to outset_migrator;

alter schema public owner to outset_owner;
revoke all on schema public from public;
grant usage on schema public to outset_worker;

-- Tables that there are, and those that migrations will make. No right to truncate, to refer to
-- them, or to give them triggers.
grant select, insert, update, delete on all tables in schema public to outset_worker;
alter default privileges for role outset_owner in schema public
    grant select, insert, update, delete on tables to outset_worker;
alter default privileges for role outset_owner in schema public
    grant usage on sequences to outset_worker;
alter default privileges for role outset_owner revoke execute on functions from public;

-- Everybody may make large objects, which belong to no table.
revoke execute on function lo_creat(integer), lo_create(oid), lo_from_bytea(oid, bytea) from public;

commit;
