-- Deletion, erasure, history and its pruning. Only additions: the workers of 00001
-- go on beside those of 00002, and neither hides what the other did.

-- +goose Up
alter table settings
    -- The version that deleted the document. There is none while this is the current version. The
    -- document is then '{}', not null, so that a worker of 00001 shows it with its version; and a
    -- replacement by such a worker, which counts the version on, makes this a thing of the past.
    add column deleted_version bigint,
    -- The version of the last erasure, and when. The log's rows up to that version are those
    -- of erasures themselves: all others were removed.
    add column erased_version  bigint,
    add column erased_at       timestamptz;

alter table settings_log
    add column operation text,                           -- null: replace, by a worker of 00001
    add column created   boolean not null default false, -- a value came to be where none was
    add column size      integer;                        -- bytes of the document; null: not known, by a worker of 00001

-- How far the walk has come in which the workers remove old rows of the log, user by user.
create table settings_pruning (
    id      smallint primary key check (id = 1),
    user_id text collate "C" not null, -- where the next step begins
    due     timestamptz      not null  -- not before
);
insert into settings_pruning (id, user_id, due) values (1, '', clock_timestamp());
