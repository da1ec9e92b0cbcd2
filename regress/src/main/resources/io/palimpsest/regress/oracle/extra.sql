-- Records that neither tables nor indexes bring forth, and a few that few tables do.
select pg_create_restore_point('here');
select lo_create(0) from generate_series(1, 9000);
vacuum pg_largeobject_metadata;
alter system set full_page_writes = off;
select pg_reload_conf();
select pg_sleep(0.5);
alter system reset full_page_writes;
select pg_reload_conf();
select pg_switch_wal();
do $$ begin for i in 1..33000 loop perform txid_current(); commit; end loop; end $$;
create table part (k int, v text) partition by range (k);
create table part_0 partition of part for values from (0) to (100);
create table part_1 partition of part for values from (100) to (200);
insert into part select g, 'p' from generate_series(1, 90) g;
update part set k = k + 100 where k < 40;
create table freeze_me (id int, v text);
insert into freeze_me select g, 'f' from generate_series(1, 3000) g;
vacuum (freeze) freeze_me;
update freeze_me set v = 'g' where id % 50 = 0;
select count(*) from (select * from freeze_me where id % 70 = 0 for update) l;
truncate freeze_me;
create index concurrently part_0_k on part_0 (k);
vacuum full pg_class;
select pg_replication_origin_create('progress'), pg_replication_origin_advance('progress', '0/100');
select pg_replication_origin_drop('progress');
create table widening (id int, t text) with (fillfactor = 10);
insert into widening select g, md5(g::text) from generate_series(1, 1200) g;
create index widening_t on widening using brin (t) with (pages_per_range = 1);
do $$ begin
  for i in 0..9 loop
    update widening set t = 'z' || i || (select string_agg(md5((id * j)::text), '') from generate_series(1, 5 + i) j) where id % 12 = i;
  end loop;
end $$;
-- A subtransaction that updates what its parent has locked: a multixact each.
create table locked_twice (id int primary key, n int);
insert into locked_twice select g, 0 from generate_series(0, 99) g;
do $$ begin
  for i in 1..2500 loop
    perform 1 from locked_twice where id = i % 100 for key share;
    begin
      update locked_twice set n = n + 1 where id = i % 100;
    exception when division_by_zero then null;
    end;
    commit;
  end loop;
end $$;
