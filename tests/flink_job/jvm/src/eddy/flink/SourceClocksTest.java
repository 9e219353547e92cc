package eddy.flink;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

/** {@link SourceClocks}: when a watermark goes on, and when it stands still. The source is number 2. */
class SourceClocksTest {
    private static final long NONE = SourceClocks.NONE;
    private static final int STARTED = SourceClocks.HOLD_MS;

    private final SourceClocks clocks = new SourceClocks(1000);
    private long looked;

    private static RawEvent event(String topic, int partition, long timestamp) {
        return new RawEvent(topic, null, null, partition, 0, timestamp);
    }

    private static List<SourceMapping.Observation> at(long... times) {
        return Arrays.stream(times).mapToObj(ms -> new SourceMapping.Observation(new byte[0], ms, 0, 0)).toList();
    }

    private void read(int partition, long now, long... times) {
        passUntil(now);
        clocks.read(2, event("a", partition, -1), at(times), now);
    }

    /** Lets time go on as in a subtask that nothing holds up. */
    private void passUntil(long now) {
        for (; looked < now; looked += Math.min(now - looked, 500)) {
            clocks.pass(looked);
        }
    }

    private long[][] all(long now) {
        passUntil(now);
        ByteBuffer in = ByteBuffer.wrap(clocks.encoded(now)).order(ByteOrder.LITTLE_ENDIAN);
        long[][] found = new long[in.getShort()][];
        for (int i = 0; i < found.length; i++) {
            found[i] = new long[] {in.getShort(), in.getLong(), in.getLong(), in.get()};
        }
        assertEquals(0, in.remaining());
        return found;
    }

    private long watermark(long now) {
        assertEquals(1, all(now).length);
        return all(now)[0][1];
    }

    @Test
    void nothingReadNothingKnown() {
        assertEquals(0, all(0).length);
    }

    @Test
    void leastPartitionCountsOnceAllHaveHadTheTimeToCome() {
        read(0, 0, 50, 70, 60);
        assertEquals(NONE, watermark(0));
        read(1, 100, 20);
        assertEquals(NONE, watermark(STARTED - 1));
        assertEquals(20, watermark(STARTED));
        read(1, STARTED, 90);
        assertEquals(70, watermark(STARTED));
        assertEquals(2, all(STARTED)[0][0]);
        assertEquals(STARTED, all(STARTED)[0][2]);
    }

    @Test
    void atTheEndNothingIsWaitedFor() {
        read(0, 0, 20);
        read(1, 0, 70);
        clocks.hold(2, event("a", 0, -1), 0);
        assertEquals(1, all(0)[0][3]);
        clocks.end();
        assertEquals(70, watermark(0));
        assertEquals(0, all(0)[0][3], "nor is the source");
    }

    @Test
    void partitionsOfOtherTopicsAreOthers() {
        clocks.read(2, event("a", 0, -1), at(70), 0);
        clocks.read(2, event("b", 0, -1), at(40), 0);
        assertEquals(40, watermark(STARTED));
    }

    @Test
    void idlePartitionHoldsNothingBackAndIdleSourceIsAtItsNewest() {
        read(0, 0, 20);
        read(1, SourceClocks.IDLE_MS, 70);
        assertEquals(20, watermark(SourceClocks.IDLE_MS));
        assertEquals(70, watermark(SourceClocks.IDLE_MS + 1));
        read(0, SourceClocks.IDLE_MS + 2, 30);
        assertEquals(70, watermark(SourceClocks.IDLE_MS + 2), "it never goes down");
        read(0, SourceClocks.IDLE_MS + 3, 80);
        assertEquals(70, watermark(SourceClocks.IDLE_MS + 3));
        assertEquals(80, watermark(3 * SourceClocks.IDLE_MS), "the greatest of all, where none has had a record");
    }

    @Test
    void recordWithoutObservationsKeepsItsPartitionActive() {
        read(0, 0, 20);
        read(1, 0, 70);
        read(0, 9_000);
        read(1, 9_000);
        assertEquals(20, watermark(11_000));
        read(2, 11_000);
        assertEquals(20, watermark(11_000), "one without any time holds nothing back");
        assertEquals(11_000, all(11_000)[0][2]);
    }

    @Test
    void timesFarAheadOfTheRecordDoNotCount() {
        clocks.read(2, event("a", 0, 5000), at(6001, 100), 0);
        assertEquals(100, watermark(STARTED));
        clocks.read(2, event("a", 0, 5000), at(6000), STARTED);
        assertEquals(6000, watermark(STARTED));
        clocks.read(2, event("a", 0, -1), at(90_000), STARTED);
        assertEquals(90_000, watermark(STARTED), "a record without a timestamp has no limit");
    }

    @Test
    void withoutALimitAnyTimeCounts() {
        SourceClocks free = new SourceClocks(0);
        free.read(2, event("a", 0, 5000), at(90_000), 0);
        for (int now = 0; now < STARTED; now += 500) {
            free.pass(now);
        }
        assertEquals(90_000, ByteBuffer.wrap(free.encoded(STARTED)).order(ByteOrder.LITTLE_ENDIAN).getLong(4));
    }

    @Test
    void recordForPythonHoldsTheWatermarkForAWhile() {
        read(0, 0, 20);
        long at = 2L * STARTED;
        passUntil(at);
        clocks.hold(2, event("a", 0, -1), at);
        read(0, at + 1, 70);
        assertEquals(20, watermark(at + SourceClocks.HOLD_MS - 1));
        assertEquals(70, watermark(at + SourceClocks.HOLD_MS));
    }

    @Test
    void manyRecordsForPythonDelayTheWatermarkButDoNotStopIt() {
        for (long now = 0; now <= 60_000; now += 10) {
            read(0, now, 1_000_000 + now);
            clocks.hold(2, event("a", 0, -1), now);
            if (now >= 2L * SourceClocks.HOLD_MS) {
                long behind = 1_000_000 + now - watermark(now);
                assertEquals(SourceClocks.HOLD_MS + 250, behind, 260, "at " + now);
            }
        }
    }

    @Test
    void observationsTopicHasItsRecordsTimestamps() {
        clocks.read(event("o", 0, 500), 7);
        clocks.read(event("o", 0, 400), 8);
        clocks.read(event("o", 0, -1), 9);
        long[][] found = all(STARTED + 7);
        assertEquals(List.of(-1L, 500L, 9L, 1L), Arrays.stream(found[0]).boxed().toList());
    }

    @Test
    void sourceThatIsReadHereIsWaitedForUntilItIsIdle() {
        clocks.expect(2, 3000);
        assertEquals(List.of(2L, NONE, NONE, 1L), Arrays.stream(all(2999)[0]).boxed().toList());
        assertEquals(0, all(3000)[0][3]);
        read(0, 4000, 20);
        assertEquals(1, all(6999)[0][3]);
        assertEquals(0, all(7000)[0][3]);
        read(1, 7001);
        assertEquals(1, all(7001)[0][3]);
    }

    @Test
    void nothingIsIdleWhileTheSubtaskIsHeldUp() {
        clocks.expect(2, 3000);
        read(0, 0, 20);
        read(1, 0, 70);
        looked = 600_000; // a minute or ten without a look at the clock
        assertEquals(1, all(looked)[0][3]);
        assertEquals(NONE, watermark(looked));
        assertEquals(20, watermark(looked + 5000));
        assertEquals(70, watermark(looked + 9001));
    }

    @Test
    void nothingIsIdleWhileTheBrokerDoesNotAnswer() {
        clocks.expect(2, 3000);
        read(0, 0, 20);
        for (int now = 0; now < 60_000; now += 500) {
            clocks.pass(now, false);
        }
        looked = 60_000;
        assertEquals(1, all(looked)[0][3]);
        assertEquals(0, all(looked + 3000)[0][3]);
    }

    @Test
    void versionChangesWithTheClocksOnly() {
        int before = clocks.version(0);
        read(0, 0, 20);
        int after = clocks.version(0);
        assertNotEquals(before, after);
        passUntil(STARTED - 1);
        assertEquals(after, clocks.version(STARTED - 1));
        assertNotEquals(after, clocks.version(STARTED));
    }

    @Test
    void manySourcesHaveRoom() {
        for (int number = 40; number >= 0; number--) {
            clocks.read(number, event("a", 3, -1), at(number), 0);
        }
        assertEquals(41, all(STARTED).length);
        assertEquals(17, all(STARTED)[17][1]);
    }
}
