-- With wal_level = logical, in a database of its own.
select pg_create_logical_replication_slot('rewriting', 'pgoutput');
create table logged (id int primary key, v text);
insert into logged select g, 'l' from generate_series(1, 200) g;
begin; create table short_lived (a int); alter table short_lived add b int; rollback;
do $$ begin for i in 1..40 loop execute 'create table made' || i || ' (a int primary key)'; end loop; end $$;
update logged set v = 'm';
truncate logged;
vacuum full pg_class;
vacuum full pg_attribute;
cluster pg_class using pg_class_oid_index;
select pg_drop_replication_slot('rewriting');
vacuum full pg_class;
