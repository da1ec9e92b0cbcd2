package io.palimpsest.server.source;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.server.source.Finding.Verdict;
import io.palimpsest.server.source.SourceFacts.Settings;
import io.palimpsest.server.source.SourceFacts.Slot;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * What is said of sources: each row changes a good one, and names the finding that it must make.
 */
class SourceCheckTest {
    private static final long GIB = 1L << 30;

    private static SourceFacts facts(String changes) {
        Map<String, String> c = new HashMap<>();
        Arrays.stream(changes.split(" "))
                .filter(w -> w.contains("="))
                .forEach(w -> {
                    String[] parts = w.split("=", 2);
                    c.put(parts[0], parts[1]);
                });
        return new SourceFacts(
                "17.2",
                c.containsKey("standby"),
                7,
                1,
                Integer.parseInt(c.getOrDefault("block", "8192")),
                c.containsKey("refused") ? null : settings(c),
                c.getOrDefault("refused", ""));
    }

    private static Settings settings(Map<String, String> c) {
        return new Settings(
                c.getOrDefault("level", "replica"),
                10,
                Integer.parseInt(c.getOrDefault("senders", "1")),
                10,
                Integer.parseInt(c.getOrDefault("slots", "1")),
                Long.parseLong(c.getOrDefault("keep", Long.toString(20 * GIB))),
                Long.parseLong(c.getOrDefault("idle", "0")),
                !c.containsKey("torn"),
                !c.containsKey("nofsync"),
                c.containsKey("checksums"),
                c.containsKey("hints"),
                c.getOrDefault("sync", "").replace('_', ' '),
                0x5000_0000L,
                slot(c));
    }

    private static @Nullable Slot slot(Map<String, String> c) {
        return c.containsKey("slot")
                ? new Slot(
                        !c.get("slot").equals("logical"),
                        c.get("slot").equals("temporary"),
                        Integer.parseInt(c.getOrDefault("pid", "0")),
                        Long.parseLong(c.getOrDefault("restart", "1073741824")),
                        c.get("slot"),
                        Long.parseLong(c.getOrDefault("safe", Long.toString(GIB))),
                        c.getOrDefault("invalid", ""))
                : null;
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            textBlock =
                    """
                    keep=-1                | false | DANGEROUS | max_slot_wal_keep_size    | without a limit
                    keep=1048576           | false | WARNING   | max_slot_wal_keep_size    | 1 MB
                    keep=0                 | false | WARNING   | max_slot_wal_keep_size    | 0 MB
                    keep=21474836480       | false | GOOD      | max_slot_wal_keep_size    | 20 GB
                    level=minimal          | false | WRONG     | wal_level                 | minimal
                    level=logical          | false | GOOD      | wal_level                 | logical
                    senders=8              | false | GOOD      | max_wal_senders           | 8 of 10
                    senders=9              | false | WRONG     | max_wal_senders           | 9 of 10
                    senders=10             | true  | GOOD      | max_wal_senders           | 10 of 10
                    slots=10               | false | WRONG     | max_replication_slots     | 10 of 10
                    slots=10 slot=reserved | false | GOOD      | max_replication_slots     | 10 of 10
                    slot=reserved          | false | GOOD      | slot s                    | nobody uses it
                    slot=reserved pid=77   | false | WRONG     | slot s                    | process 77
                    slot=reserved pid=77   | true  | GOOD      | slot s                    | in use
                    slot=logical           | false | WRONG     | slot s                    | logical
                    slot=temporary         | false | WRONG     | slot s                    | temporary
                    slot=reserved restart=0| false | WRONG     | slot s                    | never used
                    slot=lost              | false | WRONG     | slot s                    | lost
                    slot=lost              | true  | WRONG     | slot s                    | lost
                    slot=x invalid=idle    | true  | WRONG     | slot s                    | idle
                    slot=unreserved        | true  | WARNING   | slot s                    | about to be lost
                    ''                     | false | GOOD      | slot s                    | will be created
                    ''                     | true  | WRONG     | slot s                    | gone
                    idle=3600              | false | WARNING   | idle_replication_slot_timeout | 3600 s
                    torn=1                 | false | WARNING   | full_page_writes          | off
                    nofsync=1              | false | WARNING   | fsync                     | off
                    ''                     | false | GOOD      | data_checksums            | hint bits
                    hints=1                | false | GOOD      | data_checksums            | wal_log_hints
                    block=16384            | false | WRONG     | block_size                | 16384
                    standby=1              | false | WARNING   | standby                   | another server
                    refused=pg_hba         | false | DANGEROUS | settings                  | pg_hba
                    sync=*                 | false | DANGEROUS | synchronous_standby_names | *
                    sync=ANY_1_(a,_palimpsest) | false | DANGEROUS | synchronous_standby_names | palimpsest
                    sync="Palimpsest"      | false | DANGEROUS | synchronous_standby_names | Palimpsest
                    """)
    void eachThingIsSaid(
            String changes, boolean followed, Verdict verdict, String what, String found) {
        List<Finding> findings = SourceCheck.findings(facts(changes), "s", followed, GIB / 2);
        Finding about =
                findings.stream().filter(f -> f.what().equals(what)).findFirst().orElseThrow();
        assertEquals(verdict, about.verdict(), about.toString());
        assertTrue(about.found().contains(found), about.toString());
        assertEquals(verdict == Verdict.GOOD, about.next().isEmpty(), about.toString());
        for (Finding other : findings) {
            if (!other.equals(about) && !(followed && other.what().equals("slot s"))) {
                assertEquals(Verdict.GOOD, other.verdict(), other.toString());
            }
        }
    }

    @ParameterizedTest
    @CsvSource({"sync=ANY_1_(a,palimpsest2)", "sync=my_palimpsests", "keep=21474836480"})
    void othersAreNotOurs(String changes) {
        assertEquals(
                Verdict.GOOD,
                SourceCheck.worst(SourceCheck.findings(facts(changes), "s", false, GIB)));
    }

    @Test
    void dangerHasToBeAcceptedAndWrongCannotBe() {
        Sources.Check danger =
                new Sources.Check(SourceCheck.findings(facts("keep=-1"), "s", false, GIB));
        PageserverException e =
                assertThrows(PageserverException.class, () -> danger.require(false));
        assertEquals(ErrorCode.PRECONDITION_FAILED, e.code());
        assertTrue(
                String.valueOf(e.getMessage()).contains("ALTER SYSTEM SET max_slot_wal_keep_size"),
                e.getMessage());
        danger.require(true);
        Sources.Check wrong =
                new Sources.Check(SourceCheck.findings(facts("level=minimal"), "s", false, GIB));
        assertThrows(PageserverException.class, () -> wrong.require(true));
    }

    @Test
    void aSlotIsReported() {
        SlotReport kept = SlotReport.of(settings(Map.of("slot", "extended", "pid", "9")));
        assertEquals(
                new SlotReport(
                        "extended",
                        true,
                        GIB,
                        0x5000_0000L,
                        0x1000_0000L,
                        OptionalLong.of(20 * GIB),
                        OptionalLong.of(GIB)),
                kept);
        SlotReport over =
                SlotReport.of(settings(Map.of("slot", "unreserved", "safe", "-77", "keep", "0")));
        assertEquals(OptionalLong.of(0), over.leftBytes());
        assertEquals(OptionalLong.of(0), over.limitBytes());
        SlotReport unbounded =
                SlotReport.of(settings(Map.of("slot", "reserved", "safe", "-1", "keep", "-1")));
        assertEquals(OptionalLong.empty(), unbounded.leftBytes());
        assertEquals(OptionalLong.empty(), unbounded.limitBytes());
        SlotReport lost = SlotReport.of(settings(Map.of("slot", "lost", "restart", "0")));
        assertEquals(0, lost.retainedBytes());
        assertEquals(OptionalLong.empty(), lost.leftBytes());
        assertEquals("absent", SlotReport.of(settings(Map.of())).state());
    }
}
