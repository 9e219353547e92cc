package eddy.flink;

import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Knows how far the event time of each source has come in one subtask: its watermark, which a frame says at its end.
 *
 * <p>A watermark is the least of the newest event times of the partitions, of those that have had a record lately; the
 * greatest of all where none had. It never goes down. {@code flink_job/operators/source_clocks.py} has the same for
 * sources that Python reads.
 *
 * <p>It stands still for a while where more is on its way: behind a record that Python reads, whose observations come
 * later than those behind it, and at first, when of the partitions one may be read long before the others.
 *
 * <p>Whether a source is idle is said here, in the frame behind its records, and not found out by who gets no frames:
 * those may be on their way. It is measured in time in which the subtask could have read ({@link #pass}): while the next
 * operator takes nothing, or the broker does not answer, records wait.
 */
final class SourceClocks {
    static final int IDLE_MS = 10_000; // without a record a partition holds nothing back
    static final int HOLD_MS = 5_000;
    static final long NONE = Long.MIN_VALUE; // no event time is known
    static final int OBSERVATIONS = -1; // the number of the observations topic
    private static final int STEP_MS = 500; // records that come together are held as one
    private static final int LONGEST_MS = 1000; // between two looks at the clock, if nothing holds up the subtask

    private final long maxAheadMs; // 0: no limit
    private Source[] sources = new Source[8]; // by their number + 1; null: nothing has been read of it
    private byte[] encoded = {0, 0};
    private long encodedAt = NONE;
    private boolean stale = true;
    private int version;
    private long passed; // ms in which this subtask could have read
    private long looked = NONE; // wall clock when that was last added to

    private static final class Partition {
        long newest = NONE;
        long last; // of the time that passed
    }

    /** Until then (of the time that passed) a watermark goes no further. */
    private static final class Hold {
        final long since;
        final long watermark;
        long until;

        Hold(long since, long watermark) {
            this.since = since;
            this.watermark = watermark;
            until = since + HOLD_MS;
        }
    }

    private static final class Source {
        final Map<String, Partition[]> topics = new HashMap<>();
        final Deque<Hold> holds = new ArrayDeque<>(); // a few, the oldest first
        final long idleMs;
        long last = NONE; // wall clock of the newest record
        long heard; // the time that had passed then; at first, when it began
        long watermark = NONE;
        boolean ended;

        Source(long idleMs, long passed) {
            this.idleMs = idleMs;
            heard = passed;
        }

        boolean active(long passed) {
            return !ended && passed - heard < idleMs;
        }

        Partition partition(String name, int number) {
            Partition[] found = topics.get(name);
            if (found == null || number >= found.length) {
                found = found == null ? new Partition[number + 1] : Arrays.copyOf(found, number + 1);
                topics.put(name, found);
            }
            if (found[number] == null) {
                found[number] = new Partition();
            }
            return found[number];
        }

        /** How far the partitions have come. */
        long come(long passed) {
            long least = Long.MAX_VALUE;
            long greatest = NONE;
            for (Partition[] every : topics.values()) {
                for (Partition one : every) {
                    if (one == null || one.newest == NONE) {
                        continue;
                    }
                    greatest = Math.max(greatest, one.newest);
                    if (passed - one.last <= IDLE_MS) {
                        least = Math.min(least, one.newest);
                    }
                }
            }
            return least == Long.MAX_VALUE ? greatest : least;
        }

        /** The newest event time of all. */
        long newest() {
            long greatest = NONE;
            for (Partition[] every : topics.values()) {
                for (Partition one : every) {
                    greatest = one == null ? greatest : Math.max(greatest, one.newest);
                }
            }
            return greatest;
        }

        void advance(long passed) {
            long reached = come(passed);
            holds.removeIf(hold -> hold.until <= passed);
            for (Hold hold : holds) {
                reached = Math.min(reached, hold.watermark);
            }
            watermark = Math.max(watermark, reached);
        }
    }

    SourceClocks(long maxAheadMs) {
        this.maxAheadMs = maxAheadMs;
    }

    /** Says which sources are read here: until {@code idleMs} without a record of it have passed, each is waited for. */
    void expect(int number, long idleMs) {
        source(number, idleMs);
    }

    /** Takes note of the wall clock. It is looked at often, unless the subtask is held up: then no time passes. */
    void pass(long now) {
        pass(now, true);
    }

    /** The same; nor does time pass while the broker does not answer. */
    void pass(long now, boolean answered) {
        if (answered && looked != NONE && now > looked) {
            passed += Math.min(now - looked, LONGEST_MS);
        }
        looked = now;
    }

    /** Takes note of a record of a source, with the event time of each of its observations. */
    void read(int number, RawEvent event, List<SourceMapping.Observation> observations, long now) {
        long limit = maxAheadMs > 0 && event.timestamp >= 0 ? event.timestamp + maxAheadMs : Long.MAX_VALUE;
        long newest = NONE;
        for (SourceMapping.Observation one : observations) {
            newest = one.ms <= limit ? Math.max(newest, one.ms) : newest;
        }
        note(number, event, newest, now);
    }

    /** Takes note of a record of the observations topic, which is not read here: its timestamp stands for its time. */
    void read(RawEvent event, long now) {
        note(OBSERVATIONS, event, event.timestamp < 0 ? NONE : event.timestamp, now);
    }

    /** Takes note of a record whose observations come from Python. */
    void hold(int number, RawEvent event, long now) {
        Source source = note(number, event, NONE, now);
        Hold last = source.holds.peekLast();
        if (last != null && passed - last.since < STEP_MS) {
            last.until = passed + HOLD_MS;
        } else {
            source.holds.addLast(new Hold(passed, source.come(passed)));
        }
    }

    /** Nothing follows: what has come is all that there is, and no partition is waited for. */
    void end() {
        for (Source source : sources) {
            if (source != null) {
                source.holds.clear();
                source.ended = true;
                source.watermark = Math.max(source.watermark, source.newest());
            }
        }
        stale = true;
    }

    private Source source(int number, long idleMs) {
        int at = number + 1;
        if (at >= sources.length) {
            sources = Arrays.copyOf(sources, 2 * at);
        }
        if (sources[at] == null) {
            sources[at] = new Source(idleMs, passed);
            stale = true;
        }
        return sources[at];
    }

    private Source note(int number, RawEvent event, long newest, long now) {
        pass(now);
        Source source = source(number, IDLE_MS);
        if (source.last == NONE) {
            source.holds.addLast(new Hold(passed, NONE));
        }
        Partition partition = source.partition(event.topic, event.partition);
        partition.newest = Math.max(partition.newest, newest);
        partition.last = source.heard = passed;
        source.last = now;
        stale = true;
        return source;
    }

    /**
     * The clocks as a frame ends with them: u16 number, then of each i16 source, i64 watermark, i64 wall clock of its
     * newest record, u8 whether more is waited for (0: it is idle here, or has ended).
     */
    byte[] encoded(long now) {
        pass(now);
        if (!stale && now == encodedAt) {
            return encoded;
        }
        Bytes out = new Bytes();
        int count = 0;
        for (Source source : sources) {
            count += source == null ? 0 : 1;
        }
        out.number16(count);
        for (int at = 0; at < sources.length; at++) {
            Source source = sources[at];
            if (source != null) {
                source.advance(passed);
                out.number16(at - 1);
                out.number64(source.watermark);
                out.number64(source.last);
                out.number8(source.active(passed) ? 1 : 0);
            }
        }
        stale = false;
        encodedAt = now;
        if (!Arrays.equals(encoded, 0, encoded.length, out.bytes, 0, out.size)) {
            encoded = Arrays.copyOf(out.bytes, out.size);
            version++;
        }
        return encoded;
    }

    /** A number that is another one whenever {@link #encoded} is. */
    int version(long now) {
        encoded(now);
        return version;
    }
}
