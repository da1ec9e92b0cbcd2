package io.palimpsest.pg;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.Bytes;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class ControlFileTest {
    @ParameterizedTest
    @EnumSource
    void whatIsChangedIsFoundAgainAndSealed(PgVersion version) {
        ControlFile c = ControlFiles.control(version, ControlFiles.checkPoint(700), false);
        assertFalse(c.hintBitsLogged());
        byte[] parameters = new byte[28];
        Bytes.putI32(parameters, 0, 100);
        Bytes.putI32(parameters, 20, 2);
        parameters[24] = 1;
        parameters[25] = 1;
        ControlFile changed = ControlFile.parse(c.withParameters(parameters, 0).toBytes(), version);
        assertTrue(changed.walLogHints());
        assertTrue(changed.hintBitsLogged());
        assertTrue(changed.tracksCommitTimestamps());
        assertEquals(2, changed.walLevel());
        assertEquals(100, Bytes.i32(changed.toBytes(), 180));

        CheckPoint next = ControlFiles.checkPoint(1L << 32 | 5);
        ControlFile at = changed.withCheckPoint(6, 0x1234, next);
        ControlFile again = ControlFile.parse(at.toBytes(), version);
        assertEquals(6, again.state());
        assertEquals(0x1234, again.checkPointLsn());
        assertArrayEquals(next.toBytes(), again.checkPoint().toBytes());
    }

    @ParameterizedTest
    @EnumSource
    void takesTheStructAloneAndNoLess(PgVersion version) {
        byte[] b = ControlFiles.bytes(version, ControlFiles.checkPoint(700), false);
        ControlFile cut = ControlFile.parse(java.util.Arrays.copyOf(b, 296), version);
        assertArrayEquals(b, cut.toBytes());
        assertThrows(
                PageserverException.class,
                () -> ControlFile.parse(java.util.Arrays.copyOf(b, 295), version));
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 40, 172, 252, 287})
    void aFlippedBitIsCorruption(int at) {
        byte[] b = ControlFiles.bytes(PgVersion.V16, ControlFiles.checkPoint(700), false);
        b[at] ^= 1;
        PageserverException e =
                assertThrows(PageserverException.class, () -> ControlFile.parse(b, PgVersion.V16));
        assertEquals(ErrorCode.CORRUPTION, e.code());
    }

    @ParameterizedTest
    @ValueSource(ints = {8, 12, 204, 208, 216, 220, 224, 228})
    void anotherBuildIsRefused(int at) {
        byte[] b = ControlFiles.bytes(PgVersion.V17, ControlFiles.checkPoint(700), false);
        Bytes.putI32(b, at, Bytes.i32(b, at) + 1);
        byte[] sealed = ControlFiles.sealed(b, PgVersion.V17);
        PageserverException e =
                assertThrows(
                        PageserverException.class, () -> ControlFile.parse(sealed, PgVersion.V17));
        assertEquals(ErrorCode.BAD_REQUEST, e.code());
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "t3_16390",
                "pg_internal.init",
                "1259_x",
                "1259.",
                "1259.0",
                "0",
                "01",
                "",
                "1259.32768",
                "4294967296",
                "1259_vm_fsm",
                ".1",
                "PG_VERSION",
                "-5"
            })
    void otherNamesAreNoRelationFiles(String name) {
        assertNull(RelationFile.parse(name));
    }

    @ParameterizedTest
    @ValueSource(strings = {"1259", "1259_fsm", "1259_vm.1", "4294967295_init.32767"})
    void relationFiles(String name) {
        RelationFile file = RelationFile.parse(name);
        assertTrue(file != null, name);
        String fork = new RelTag(0, 0, file.relation(), file.fork()).toString().substring(4);
        assertEquals(name, fork + (file.segment() == 0 ? "" : "." + file.segment()));
    }
}
