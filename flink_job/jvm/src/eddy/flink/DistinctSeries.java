package eddy.flink;

/** Counts different series, by 64-bit hashes; more than {@link #MOST} are not told apart. */
final class DistinctSeries {
    static final int MOST = 1 << 20;

    private long[] slots = new long[64]; // 0: free
    private int count;

    void add(byte[] series) {
        if (count >= MOST) {
            return;
        }
        long hash = 0xcbf29ce484222325L; // FNV-1a
        for (byte one : series) {
            hash = (hash ^ one & 0xff) * 0x100000001b3L;
        }
        if (put(slots, hash == 0 ? 1 : hash) && ++count * 2 > slots.length) {
            long[] before = slots;
            slots = new long[before.length * 2];
            for (long one : before) {
                if (one != 0) {
                    put(slots, one);
                }
            }
        }
    }

    int count() {
        return count;
    }

    private static boolean put(long[] slots, long hash) {
        int at = (int) (hash ^ hash >>> 32) & (slots.length - 1);
        for (; slots[at] != 0; at = (at + 1) & (slots.length - 1)) {
            if (slots[at] == hash) {
                return false;
            }
        }
        slots[at] = hash;
        return true;
    }
}
