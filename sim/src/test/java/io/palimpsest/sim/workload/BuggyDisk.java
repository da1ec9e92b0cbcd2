package io.palimpsest.sim.workload;

import io.palimpsest.port.Disk;
import java.util.List;

/** A disk as a program with a bug would use it: some of the calls are not made, or are others. */
public final class BuggyDisk implements Disk {
    public enum Bug {
        /** Layer files are not synced before the index names them. */
        LAYER_NOT_SYNCED,
        /** The index is not synced before it is renamed. */
        INDEX_NOT_SYNCED,
        /** Directories are not synced after files in them were created or renamed. */
        DIRECTORY_NOT_SYNCED,
        /** The index is deleted before the new one takes its name. */
        INDEX_NOT_REPLACED_ATOMICALLY,
        /** One bit of what is read is wrong now and then. */
        WRONG_BIT,
        /** Files that are no longer needed stay open. */
        HANDLE_LEAKED,
        /** Layer files that are no longer needed are not deleted. */
        LAYER_NOT_DELETED
    }

    private final Disk disk;
    private final Bug bug;
    private int reads;

    public BuggyDisk(Disk disk, Bug bug) {
        this.disk = disk;
        this.bug = bug;
    }

    @Override
    public Space space() {
        return disk.space();
    }

    @Override
    public void createDirectories(String directory) {
        disk.createDirectories(directory);
    }

    @Override
    public Output create(String path) {
        Output out = disk.create(path);
        boolean index = path.contains("/index");
        return (index ? bug == Bug.INDEX_NOT_SYNCED : bug == Bug.LAYER_NOT_SYNCED)
                ? new UnsyncedOutput(out)
                : out;
    }

    @Override
    public Input open(String path) {
        Input in = disk.open(path);
        return bug == Bug.WRONG_BIT || bug == Bug.HANDLE_LEAKED ? new BuggyInput(in) : in;
    }

    @Override
    public boolean exists(String path) {
        return disk.exists(path);
    }

    @Override
    public void rename(String from, String to) {
        if (bug == Bug.INDEX_NOT_REPLACED_ATOMICALLY) {
            disk.delete(to);
        }
        disk.rename(from, to);
    }

    @Override
    public void link(String existing, String name) {
        disk.link(existing, name);
    }

    @Override
    public void delete(String path) {
        if (bug != Bug.LAYER_NOT_DELETED || !path.contains("__")) {
            disk.delete(path);
        }
    }

    @Override
    public void deleteTree(String directory) {
        disk.deleteTree(directory);
    }

    @Override
    public List<String> list(String directory) {
        return disk.list(directory);
    }

    @Override
    public void syncDirectory(String directory) {
        if (bug != Bug.DIRECTORY_NOT_SYNCED) {
            disk.syncDirectory(directory);
        }
    }

    private record UnsyncedOutput(Output out) implements Output {
        @Override
        public void append(byte[] bytes, int offset, int length) {
            out.append(bytes, offset, length);
        }

        @Override
        public long size() {
            return out.size();
        }

        @Override
        public void sync() {}

        @Override
        public void close() {
            out.close();
        }
    }

    private final class BuggyInput implements Input {
        private final Input in;

        BuggyInput(Input in) {
            this.in = in;
        }

        @Override
        public long size() {
            return in.size();
        }

        @Override
        public void read(long position, byte[] into, int offset, int length) {
            in.read(position, into, offset, length);
            spoil(into, offset, length);
        }

        @Override
        public boolean tryRead(long position, byte[] into, int offset, int length) {
            boolean done = in.tryRead(position, into, offset, length);
            if (done) {
                spoil(into, offset, length);
            }
            return done;
        }

        private void spoil(byte[] into, int offset, int length) {
            if (bug == Bug.WRONG_BIT && ++reads % 50 == 0 && length > 0) {
                into[offset + length / 2] ^= 4;
            }
        }

        @Override
        public void close() {
            if (bug != Bug.HANDLE_LEAKED) {
                in.close();
            }
        }
    }
}
