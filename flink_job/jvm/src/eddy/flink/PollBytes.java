package eddy.flink;

import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Map;

/**
 * Bounds what a source holds in memory: the bytes of one poll, and those of one key or value.
 *
 * <p>Kafka bounds what is fetched, which is compressed, and the number of records of a poll: 5,000 events of 1 MB may be a
 * few MB of gzip. So a poll ends where its keys and values would exceed {@link #POLL_OPTION} ({@link Internals.Bytes} says
 * how); about four polls of each source wait in Flink's queues. Of a key or a value above {@link #VALUE_OPTION} only the
 * beginning is kept, with its size and a digest in headers of the record, which {@link RawEvent} takes from there; a
 * producer's headers are dropped unless {@link #HEADERS_OPTION} is there.
 *
 * <p>A consumer's keys, values and ends of polls are all handled by the thread that polls.
 */
public final class PollBytes {
    static final String POLL_OPTION = "eddy.poll.bytes";
    static final String VALUE_OPTION = "eddy.value.bytes";
    static final String HEADERS_OPTION = "eddy.headers";
    static final String KEY = "eddy.cut.key";
    static final String VALUE = "eddy.cut.value";
    static final int KEPT_BYTES = 4096;
    private static final int PART_BYTES = 80; // what a key or a value takes beside its bytes, with half of its record
    private static final ThreadLocal<Poll> POLL = ThreadLocal.withInitial(Poll::new);

    private PollBytes() {}

    private static final class Poll {
        long bytes;
        int records; // of which a key or a value was taken
        long before; // the record whose key was taken last
        boolean keyed; // whether that record's value may come next
    }

    /** Whether a key or value may be the beginning of a larger one. */
    static boolean mayBeCut(byte[] bytes) {
        return bytes != null && bytes.length == KEPT_BYTES;
    }

    static byte[] sha256(ByteBuffer bytes) {
        try {
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            digest.update(bytes);
            return digest.digest();
        } catch (NoSuchAlgorithmException impossible) { // every Java has it
            throw new IllegalStateException(impossible);
        }
    }

    private abstract static class Part extends Internals.Bytes {
        int pollBytes;
        int maxBytes;
        private boolean headers;
        private Poll poll;

        /** What the thread that polls has taken, looked up once: it is asked for with each record. */
        final Poll poll() {
            if (poll == null) {
                poll = POLL.get();
            }
            return poll;
        }

        @Override
        final void begin(Map<String, ?> options) {
            pollBytes = Integer.parseInt(options.get(POLL_OPTION).toString());
            maxBytes = Math.max(KEPT_BYTES, Integer.parseInt(options.get(VALUE_OPTION).toString()));
            headers = options.containsKey(HEADERS_OPTION);
        }

        @Override
        final boolean keepsHeaders() {
            return headers;
        }

        @Override
        final boolean noted(int bytes) {
            return bytes > maxBytes || bytes == KEPT_BYTES;
        }

        @Override
        final byte[] note(ByteBuffer data) {
            int size = data.remaining();
            return size > maxBytes ? ByteBuffer.allocate(36).putInt(size).put(sha256(data.duplicate())).array() : null;
        }

        @Override
        final byte[] take(ByteBuffer data) {
            byte[] bytes = new byte[kept(data.remaining())];
            data.get(bytes);
            return bytes;
        }

        final int kept(int size) {
            return size > maxBytes ? KEPT_BYTES : size;
        }
    }

    /** Keys of records. */
    public static final class Keys extends Part {
        @Override
        String name() {
            return KEY;
        }

        @Override
        boolean isFirst() {
            return true;
        }

        @Override
        boolean fits(int bytes, long headerBytes) {
            Poll poll = poll();
            long more = PART_BYTES + kept(bytes) + headerBytes;
            if (poll.bytes > 0 && poll.bytes + more > pollBytes) {
                poll.keyed = false;
                return false;
            }
            poll.before = poll.bytes;
            poll.bytes += more;
            poll.records++;
            poll.keyed = true;
            return true;
        }
    }

    /** Values of records; the key of the same record, where it has one, came just before. */
    public static final class Values extends Part {
        @Override
        String name() {
            return VALUE;
        }

        @Override
        boolean isFirst() {
            return !poll().keyed;
        }

        @Override
        boolean fits(int bytes, long headerBytes) {
            Poll poll = poll();
            boolean keyed = poll.keyed;
            long before = poll.keyed ? poll.before : poll.bytes; // 0: the first record of a poll is taken, or none ever were
            long more = PART_BYTES + kept(bytes) + headerBytes;
            poll.keyed = false;
            if (before > 0 && poll.bytes + more > pollBytes) {
                poll.bytes = before;
                poll.records -= keyed ? 1 : 0;
                return false;
            }
            poll.bytes += more;
            poll.records += keyed ? 0 : 1;
            return true;
        }

        /** Kafka's client logs it as an error whenever a poll is full. */
        @Override
        public String toString() {
            return "Values: no error, a poll of " + pollBytes + " bytes is full and the next one goes on";
        }
    }

    /** The end of a poll. */
    public static final class End extends Internals.PollEnd {
        @Override
        boolean allTaken(int records) {
            return POLL.get().records == records;
        }

        @Override
        void ended() {
            Poll poll = POLL.get();
            poll.bytes = 0;
            poll.records = 0;
            poll.keyed = false;
        }
    }
}
