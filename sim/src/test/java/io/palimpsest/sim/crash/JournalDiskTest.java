package io.palimpsest.sim.crash;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.palimpsest.port.Disk;
import io.palimpsest.sim.contract.DiskContract;
import java.util.function.Consumer;
import org.junit.jupiter.api.Assumptions;

/** It is a disk like the others, and what may be left of it is what the contract allows. */
class JournalDiskTest extends DiskContract {
    @Override
    protected void withDisk(Consumer<Disk> body) {
        JournalDisk disk = new JournalDisk(DiskState.EMPTY, () -> {});
        body.accept(disk);
        assertEquals(0, disk.handles());
    }

    @Override
    protected void withSmallDisk(Consumer<Disk> body) {
        Assumptions.abort("a disk without an end");
    }

    @Override
    protected boolean canLosePower() {
        return true;
    }

    @Override
    protected void withPowerLoss(Consumer<Disk> before, Consumer<Disk> after) {
        JournalDisk disk = new JournalDisk(DiskState.EMPTY, () -> {});
        before.accept(disk);
        CrashStates crash = new CrashStates(DiskState.EMPTY, 1);
        disk.journal().forEach(crash::advance);
        crash.forEach(state -> {
            after.accept(new JournalDisk(state, () -> {}));
            return true;
        });
    }
}
