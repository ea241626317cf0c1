-- The settings of each user, and the log of how they came to be.
--
-- Documents are json and not jsonb: they come back byte for byte (order of keys,
-- spelling of numbers) and are still SQL for whoever wants to query them.
-- Ids are compared as bytes (collation "C"), which is also the order in which
-- the workers lock rows, so that two of them never wait for each other in a circle.

-- +goose Up
create table settings (
    user_id    text collate "C" primary key,
    version    bigint      not null check (version >= 0), -- 0: a seat that a first write is about to take
    document   json,                                      -- null: none
    updated_at timestamptz not null
);

create table settings_log (
    user_id      text collate "C" not null,
    version      bigint           not null check (version > 0),
    operation_id text collate "C" not null,
    fingerprint  bytea            not null,
    actor        text,
    document     json,
    applied_at   timestamptz      not null,
    primary key (user_id, version),     -- a version is given once
    unique (user_id, operation_id)      -- and an operation is applied once
);
