-- The log's index of operation ids begins with the id and not with the user: ids are made in the order of time, so new
-- ones go to the index's end, and not to a place of their own that must be read and, after each checkpoint,
-- logged whole. Either index serves every worker.

-- +goose Up
-- +goose StatementBegin
do $$
begin
    -- Nobody can write meanwhile. Where that would take more than a moment the index stays as it is; README.md tells how to
    -- make the new one beside it.
    if pg_relation_size('settings_log') < 16 * 1024 * 1024 then
        lock table settings_log in access exclusive mode;
        create unique index settings_log_operation on settings_log (operation_id, user_id);
        alter table settings_log drop constraint settings_log_user_id_operation_id_key;
    end if;
end
$$;
-- +goose StatementEnd
