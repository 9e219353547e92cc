package eddy.flink;

import java.util.function.LongSupplier;

/**
 * Tells the time in epoch milliseconds without ever stepping: it begins at the wall clock and goes on with the machine's
 * monotonic clock. {@link #now} then follows the wall clock: where that is ahead it runs at up to twice its speed until
 * both agree, where that is behind at no less than half. {@link #paced} keeps its speed, for what happens every so often.
 *
 * <p>An hour's step of the wall clock would otherwise hold back batches and ticks for an hour, or make every series look
 * silent for that long.
 */
final class SteadyClock {
    /** The clock of this process. */
    static final SteadyClock SHARED = new SteadyClock(System::currentTimeMillis, System::nanoTime);

    private static final long NANOS = 1_000_000; // in a millisecond

    private final LongSupplier wall;
    private final LongSupplier monotonic;
    private long asked; // monotonic, ns
    private long paced; // since the epoch, ns
    private long now;

    SteadyClock(LongSupplier wallMillis, LongSupplier monotonicNanos) {
        wall = wallMillis;
        monotonic = monotonicNanos;
        asked = monotonic.getAsLong();
        now = paced = wall.getAsLong() * NANOS;
    }

    synchronized long paced() {
        now();
        return paced / NANOS;
    }

    synchronized long now() {
        long passed = monotonic.getAsLong() - asked;
        asked += passed;
        paced += passed;
        long behind = wall.getAsLong() * NANOS - (now + passed);
        now += passed + Math.max(-passed / 2, Math.min(behind, passed));
        return now / NANOS;
    }
}
