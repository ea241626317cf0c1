-- The settings of each user, and the log of how they came to be.
--
-- Documents are json and not jsonb: they come back byte for byte (order of keys, spelling of
-- numbers) and can still be queried. User ids are compared as bytes (collation "C"), which is also
-- the order in which workers lock rows, so that no two of them wait for each other in a circle.

-- +goose Up
create table settings (
    user_id        text collate "C" primary key,
    version        bigint      not null, -- how many writes there have been
    document       json,                 -- null: none; the version may have deleted it
    updated_at     timestamptz not null, -- when the version came to be
    -- Bytes that all versions so far have added to the history; it only grows.
    written        bigint      not null default 0,
    -- The log has no documents of the versions up to this one: they exceeded the budget.
    dropped_version bigint,
    -- The version of the last erasure, and when it was. Of the versions up to it the log has only
    -- those of erasures themselves, and what settings_erased lists.
    erased_version bigint,
    erased_at      timestamptz,
    -- Version 0 is a placeholder row: there so that a first write has something to lock.
    check (version > 0 or version = 0 and document is null),
    check ((erased_version is null) = (erased_at is null))
);

create table settings_log (
    user_id      text collate "C" not null,
    version      bigint           not null check (version > 0),
    operation_id text collate "C" not null,
    fingerprint  bytea            not null, -- of what was asked
    operation    text             not null, -- what made the version
    restored     bigint,                    -- the version that a restore made current again
    created      boolean          not null, -- a value came to be where none was
    document     json,                      -- null: none, dropped, or that of the row below
    size         integer          not null check (size >= 0), -- bytes of the document; 0: none
    written      bigint           not null default 0, -- settings.written at this version
    applied_at   timestamptz      not null,
    -- Who made the version: 1 a user, 2 a service, 0 not known; the user's id or the service's
    -- name ('' is the user whose row this is); the id of the token. Nulls would make most rows
    -- longer than these are, since a row without any needs no map of them.
    actor_kind    smallint        not null default 0,
    actor_subject text            not null default '',
    actor_token   text            not null default '',
    primary key (user_id, version), -- a version is given once
    -- An operation is applied once. The index begins with its id because ids are made in the order
    -- of time: new ones go to the index's end, and not to pages all over it that must be read and,
    -- after each checkpoint, logged whole.
    constraint settings_log_operation unique (operation_id, user_id)
);

-- What erasures have left in the log, for the workers to remove part by part: of a user the rows
-- above one version, up to another. Nobody can read, restore or repeat them any more.
create table settings_erased (
    user_id text collate "C" not null,
    above   bigint           not null, -- grows as rows are removed
    up_to   bigint           not null check (up_to > above),
    primary key (user_id, up_to)
);

-- Writes that were refused when they were sent again after an attempt of which nothing was heard:
-- that attempt isn't applied any more if it comes later. There is seldom a row, and old ones are
-- removed.
create table settings_fences (
    user_id      text collate "C" not null,
    operation_id text collate "C" not null,
    issued       timestamptz      not null, -- the same for all attempts, by the API's clock
    refused_at   timestamptz      not null,
    primary key (user_id, operation_id, issued)
);
create index settings_fences_issued on settings_fences (issued);

-- Which users each transaction has changed, for those who follow the changes of all. One row for a
-- transaction costs writes next to nothing; a column of settings with an index would cost a patch
-- half as much again, since no update could stay within its page.
--
-- Transactions become visible in another order than they began, so whoever follows reads up to the
-- oldest that is still going on. The index is not unique: a dump that is restored elsewhere brings
-- numbers along that are given once more there.
create table settings_changes (
    transaction xid8        not null default pg_current_xact_id(),
    users       text[] collate "C" not null, -- in order
    changed_at  timestamptz not null
);
create index settings_changes_transaction on settings_changes (transaction);

-- The service tokens. The hash is the SHA-256 of a token; the secret itself is nowhere. Rows of
-- tokens that are revoked or have expired stay, since the history has their ids.
create table tokens (
    id                 text collate "C" primary key,
    name               text        not null,
    hash               bytea       not null check (length(hash) = 32),
    scopes             text[]      not null,
    application        text        not null,
    created_at         timestamptz not null,
    created_by_kind    smallint    not null, -- as in settings_log
    created_by_subject text        not null,
    created_by_token   text        not null,
    expires_at         timestamptz, -- null: never
    revoked_at         timestamptz, -- null: it is not
    last_used_at       timestamptz  -- null: never; only about, see the API
);
create index tokens_not_revoked on tokens (created_at, id) where revoked_at is null;

-- How far the workers have come in removing old rows of the log, user by user.
create table settings_pruning (
    id      smallint primary key check (id = 1), -- there is one row
    user_id text collate "C" not null,           -- where the next step begins
    due     timestamptz      not null,           -- not before
    -- The newest row of settings_changes that was removed, and in which database that was.
    forgotten xid8,
    forgotten_in text
);
insert into settings_pruning (id, user_id, due) values (1, '', clock_timestamp());

-- Where deploy/postgres-roles.sql has given the workers rights on rows, these are not for them.
-- +goose StatementBegin
do $$
begin
    if exists (select from pg_roles where rolname = 'outset_worker') then
        revoke insert, update, delete on goose_db_version from outset_worker;
    end if;
end
$$;
-- +goose StatementEnd
