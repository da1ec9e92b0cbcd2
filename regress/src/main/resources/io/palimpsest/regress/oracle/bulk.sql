-- Many small records, over and over: each statement some hundred to some thousand of them.
do $$ begin
  for i in 1..1500 loop
    update account set n = n + 1 where id = 1 + (random() * 199)::int;
    if i % 10 = 0 then insert into history (account, note) values (i, 'note'); end if;
    commit;
  end loop;
end $$;
delete from history where random() < 0.6;
vacuum history;
update account set filler = repeat('g', (random() * 40)::int) where id % 3 = 0;
vacuum account;
insert into keyed select random() * 50, md5(random()::text), random() * 1000 from generate_series(1, 600);
update keyed set c = c + 1 where a % 4 = 0;
select count(*) from keyed where b > 'a';
delete from keyed where random() < 0.5;
vacuum keyed;
do $$ begin
  for i in 1..800 loop
    insert into keyed values (i % 7, i::text, i);
    if i % 20 = 0 then commit; end if;
  end loop;
end $$;
delete from keyed where c > 400;
vacuum keyed;
insert into hashed select random() * 200, md5(random()::text) from generate_series(1, 500);
delete from hashed where random() < 0.5;
vacuum hashed;
insert into tagged select g, array[g % 10, (random() * 300)::int, 1], to_tsvector('simple', 'word' || g % 50 || ' common other' || g) from generate_series(1, 300) g;
delete from tagged where random() < 0.5;
vacuum tagged;
insert into shapes select point(random() * 100, random() * 100), int4range((random() * 100)::int, 100 + (random() * 100)::int), md5(random()::text), ('10.' || g % 200 || '.0.' || g % 9)::inet from generate_series(1, 300) g;
delete from shapes where random() < 0.5;
vacuum shapes;
insert into ranged select (random() * 10000)::int, repeat(chr(65 + g % 26), 1 + g % 100) from generate_series(1, 400) g;
update ranged set t = repeat('y', 1 + k % 200), k = -k where random() < 0.3;
delete from ranged where random() < 0.4;
vacuum ranged;
insert into bloomed select random() * 100, g from generate_series(1, 400) g;
delete from bloomed where random() < 0.5;
vacuum bloomed;
select nextval('counted') from generate_series(1, 1000);
insert into toasted select g, repeat(md5(g::text), 80) from generate_series(1, 40) g on conflict (id) do update set v = excluded.v || 'x';
delete from toasted where random() < 0.5;
vacuum toasted;
do $$ begin
  for i in 1..300 loop
    perform 1 from public.shared where id between i % 100 and i % 100 + 3 order by id for key share;
    if i % 10 = 0 then perform pg_sleep(0.001); end if;
    update public.shared set n = n + 1 where id = i % 100;
    commit;
    perform 1 from public.shared where id between i % 50 and i % 50 + 3 order by id for update;
    commit;
  end loop;
end $$;
vacuum public.shared;
do $$ begin
  for i in 1..100 loop
    begin
      insert into history (account, note) values (i, 'sub');
      if i % 3 = 0 then raise exception 'undo'; end if;
    exception when raise_exception then null;
    end;
  end loop;
end $$;
insert into account select g, 0, 'conflict' from generate_series(150, 250) g on conflict (id) do update set n = account.n + 10;
delete from account where id > 200;
vacuum (freeze) account;
