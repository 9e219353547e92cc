package eddy.flink;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import org.apache.flink.api.common.state.OperatorStateStore;
import org.apache.flink.api.common.typeinfo.PrimitiveArrayTypeInfo;
import org.apache.flink.types.Row;
import org.apache.flink.util.OutputTag;

/**
 * Collects what arrives for each shard into frames.
 *
 * <p>Frames leave together after {@code batchMs}, or earlier when one is full, and always before a checkpoint barrier:
 * nothing waits here across a checkpoint, so there is no state to keep but the number of shards ({@link KeptSettings}). While the next operator has not taken what it was
 * sent, frames go on to grow instead of becoming many: each costs the same to handle, however few events it has. They
 * grow for {@code batchMs} after it has taken the last ones, too: it is at work on those by then, and a few events sent at
 * once would be a bundle of their own behind them.
 *
 * <p>Before each barrier every shard also gets a CHECKPOINT frame. It tells the Python side to write its windows to
 * keyed state, which it keeps in arrays between checkpoints, once it has those of all source subtasks. Barriers must be
 * aligned for this (the job sets it).
 *
 * <p>Each shard is to tick once a second. The source subtasks take turns: of each this is every so many seconds. Where
 * the settings ask for {@link SourceClocks}, each subtask sends each shard its own at least once a second.
 */
final class ShardBatcher extends Internals.Operator<RawEvent, Row> {
    private static final long serialVersionUID = 1L;
    private static final long TICK_MS = 1000;
    private static final int TICK_PARTS = 4; // shards take turns: what a tick leads to would hold up the events behind it
    private static final int OPEN_FRAMES = 4; // that may be full at once: all frames are sent when they hold that many bytes
    private static final long KEPT_BYTES = 16 * 1024 * 1024; // of arrays, over all shards, for the next frames
    private static final int AGAIN_MS = 2;
    private static final int LONGEST_MS = 1000; // the queue's size is Flink's own affair: nothing may depend on it

    static final OutputTag<byte[]> UNUSABLE =
            new OutputTag<>("unusable", PrimitiveArrayTypeInfo.BYTE_PRIMITIVE_ARRAY_TYPE_INFO);

    /** Records of input sources that Python reads, in frames of {@link SourceReader}. */
    static final OutputTag<byte[]> UNREAD = new OutputTag<>("unread", PrimitiveArrayTypeInfo.BYTE_PRIMITIVE_ARRAY_TYPE_INFO);

    private final Map<String, String> options;
    private transient SourceReader sourceReader; // null: no input sources, nearly always
    private transient String observations;
    private transient boolean ticks;
    private transient int shards;
    private transient int batchMs;
    private transient int maxEvents;
    private transient int maxBytes;
    private transient int maxEventBytes;
    private transient long openBytes; // in all frames
    private transient Skipped skipped;
    private transient int source; // of frames, and how many there are
    private transient int sources;
    private transient int subtaskNumber;
    private transient int subtasks;
    private transient Row[] keys;
    private transient Frame[] frames;
    private transient SteadyClock clock;
    private transient long lastFlush;
    private transient long lastQueued; // when the next operator had last been seen not to have taken all
    private transient SourceClocks clocks; // null: nobody asks for them
    private transient Fetches fetches;
    private transient boolean answered; // by the broker, lately
    private transient boolean leavesSources; // to Python, which has the clocks of those
    private transient long moment; // of the clock when it was last looked at: of every event it would be too often
    private transient long[] clocksSent; // when, to each shard
    private transient int[] clocksVersions; // which
    private transient long lastUnread;
    private transient long[] lastTurn; // of each part of the shards: turns of this subtask since the epoch

    ShardBatcher(Map<String, String> options) {
        this.options = options;
    }

    /** For tests. */
    ShardBatcher with(SteadyClock clock) {
        this.clock = clock;
        return this;
    }

    @Override
    void restore(OperatorStateStore store) throws Exception {
        KeptSettings.check(store, number("shards"));
        KeptSettings.checkTemplates(store, options.getOrDefault("templates", "{}"), options.get("accept_templates"));
    }

    @Override
    void begin(int subtask, int subtasks) {
        shards = number("shards");
        batchMs = number("batch_ms");
        maxEvents = number("batch_max_events");
        maxBytes = number("batch_max_bytes");
        maxEventBytes = number("max_event_bytes");
        // Each cluster has two sources of frames a subtask: this one, and Python, which reads what this one cannot.
        int clusters = Integer.parseInt(options.getOrDefault("clusters", "0"));
        int cluster = Integer.parseInt(options.getOrDefault("cluster", "0"));
        source = 2 * cluster * subtasks + subtask;
        sources = Math.max(1, 2 * clusters) * subtasks;
        subtaskNumber = subtask;
        this.subtasks = subtasks;
        ticks = cluster == 0;
        observations = cluster == 0 ? options.get("observations") : "";
        sourceReader = clusters == 0 ? null
                : new SourceReader(options.get("input"), Long.parseLong(options.get("first_ms")), Long.parseLong(options.get("last_ms")));
        keys = Shards.keys(shards, number("max_parallelism"));
        frames = new Frame[shards];
        for (int shard = 0; shard < shards; shard++) {
            frames[shard] = new Frame(KEPT_BYTES / shards);
        }
        skipped = new Skipped(options.getOrDefault("skip", ""));
        clock = clock == null ? SteadyClock.SHARED : clock;
        moment = clock.now();
        if (Boolean.parseBoolean(options.get("clocks"))) {
            clocks = new SourceClocks(Long.parseLong(options.getOrDefault("max_ahead_ms", "0")));
            fetches = new Fetches(Fetches.prefix(options), subtask);
            clocks.pass(moment);
            if (!observations.isEmpty()) {
                clocks.expect(SourceClocks.OBSERVATIONS, SourceClocks.IDLE_MS);
            }
            if (sourceReader != null) {
                sourceReader.expect(clocks);
            }
            clocksSent = new long[shards];
            clocksVersions = new int[shards];
            for (int shard = 0; shard < shards; shard++) {
                clocksSent[shard] = moment + shard % TICK_PARTS * TICK_MS / TICK_PARTS;
            }
            leavesSources = sourceReader != null && sourceReader.leavesSources();
        }
        lastTurn = new long[TICK_PARTS];
        for (int part = 0; part < TICK_PARTS; part++) {
            lastTurn[part] = turn(part, clock.paced());
        }
        wakeAfter(batchMs);
    }

    private int number(String name) {
        return Integer.parseInt(options.get(name));
    }

    /** How often it has been this subtask's turn to tick, since the epoch. */
    private long turn(int part, long now) {
        return Math.floorDiv(Math.floorDiv(now - part * TICK_MS / TICK_PARTS, TICK_MS) - subtaskNumber, (long) subtasks);
    }

    @Override
    void wake() {
        long now = clock.paced();
        moment = clock.now();
        answered = clocks != null && fetches.answered(moment);
        if (clocks != null) {
            clocks.pass(moment, answered);
        }
        if (queued()) {
            lastQueued = now;
        }
        if (now < Math.min(lastQueued + batchMs, lastFlush + LONGEST_MS)) {
            wakeAfter(AGAIN_MS);
            return;
        }
        for (int part = 0; ticks && part < TICK_PARTS; part++) {
            long turn = turn(part, now);
            for (int shard = part; turn > lastTurn[part] && shard < shards; shard += TICK_PARTS) {
                flush(shard, Frame.TICK, 0);
            }
            lastTurn[part] = turn;
        }
        flushFilled();
        if (clocks != null) {
            flushClocks();
        }
        if (sourceReader != null && (sourceReader.hasNews() || (leavesSources && answered && moment - lastUnread >= TICK_MS))) {
            flushUnread(Frame.DATA, 0);
        }
        lastFlush = now;
        wakeAfter(batchMs);
    }

    @Override
    void take(RawEvent event) {
        if (skipped.holds(event)) {
            send(UNUSABLE, deadLetter(event, "skipped", "job.skip names this record"));
            return;
        }
        if (event.largerThan(maxEventBytes)) {
            boolean byKey = event.valueBytes <= maxEventBytes;
            String found = byKey ? "found a key of " + event.keyBytes : "found " + event.valueBytes;
            send(UNUSABLE, deadLetter(event, "oversized", found + " bytes, expected at most " + maxEventBytes
                    + "; send smaller messages or raise job.max_event_bytes"));
            return;
        }
        if (sourceReader != null && !event.topic.equals(observations)) {
            read(event);
            return;
        }
        byte[] series = event.key != null ? event.key : event.value != null ? Shards.seriesIn(event.value) : null;
        int shard = series == null ? 0 : Shards.of(series, shards);
        Frame frame = frames[shard];
        openBytes -= frame.bytes();
        frame.add(event, series);
        openBytes += frame.bytes();
        if (clocks != null) {
            clocks.read(event, moment);
        }
        flushIfFull(frame);
    }

    private void flushIfFull(Frame frame) {
        if (frame.count() >= maxEvents || frame.bytes() >= maxBytes || openBytes >= (long) OPEN_FRAMES * maxBytes) {
            flushFilled(); // of all shards: what leaves at once is one bundle for Python
        }
    }

    /** Takes a record of an input source. One of a topic that no source names any more is passed over. */
    private void read(RawEvent event) {
        SourceMapping mapping = sourceReader.of(event.topic);
        if (mapping == null) {
            return;
        }
        sourceReader.read(mapping, event);
        for (SourceMapping.Observation one : mapping.observations) {
            Frame frame = frames[Shards.of(one.series, shards)];
            if (!frame.hasRoomFor(event.topic)) {
                flushFilled();
            }
            openBytes -= frame.bytes();
            frame.add(event, one.series, mapping.bytes.bytes, one.start, one.end);
            openBytes += frame.bytes();
            flushIfFull(frame);
        }
        if (clocks != null && mapping.here) { // not before: a frame that is sent holds all that its clocks speak of
            note(mapping, event);
        }
        if (sourceReader.bytes() >= maxBytes) {
            flushUnread(Frame.DATA, 0);
        }
    }

    private void note(SourceMapping mapping, RawEvent event) {
        if (mapping.unusual) {
            clocks.hold(mapping.number, event, moment);
        } else {
            clocks.read(mapping.number, event, mapping.observations, moment);
        }
    }

    /** Sends the clocks to shards that have not heard of them for a second, if they have changed. */
    private void flushClocks() {
        int version = clocks.version(moment);
        for (int shard = 0; shard < shards; shard++) {
            if (moment - clocksSent[shard] >= TICK_MS && clocksVersions[shard] != version) {
                flush(shard, Frame.DATA, 0);
            }
        }
    }

    private void flushUnread(byte kind, long checkpoint) {
        lastUnread = moment;
        send(UNREAD, sourceReader.take(kind, clock.now(), checkpoint));
    }

    /**
     * A dead letter with the beginning of a record and a digest of the whole: the record may be far larger than what a
     * producer or a topic takes (75 MB of one letter is 75 kB of gzip). The original stays at its place. The time is that
     * of now: the topic of dead letters need not take the one of the record.
     */
    private byte[] deadLetter(RawEvent event, String reason, String detail) {
        Map<String, String> headers = new LinkedHashMap<>();
        headers.put("reason", reason);
        headers.put("detail", detail);
        headers.put("size", Integer.toString(event.valueBytes));
        headers.put("sha256", event.sha256());
        headers.put("truncated", "true");
        headers.put("topic", event.topic);
        headers.put("partition", Integer.toString(event.partition));
        headers.put("offset", Long.toString(event.offset));
        headers.put("timestamp", Long.toString(event.timestamp));
        return Outputs.encode(number("dlq"), clock.now(), start(event.key), start(event.value), headers);
    }

    private static byte[] start(byte[] bytes) {
        return bytes == null || bytes.length <= PollBytes.KEPT_BYTES ? bytes : Arrays.copyOf(bytes, PollBytes.KEPT_BYTES);
    }

    private void flush(int shard, byte kind, long checkpoint) {
        openBytes -= frames[shard].bytes();
        byte[] end = null;
        if (clocks != null) {
            end = clocks.encoded(moment);
            clocksSent[shard] = moment;
            clocksVersions[shard] = clocks.version(moment);
        }
        byte[] frame = frames[shard].take(kind, shard, clock.now(), source, sources, checkpoint, end);
        send(Row.of(keys[shard].getField(0), frame));
    }

    private void flushFilled() {
        for (int shard = 0; shard < shards; shard++) {
            if (frames[shard].count() > 0) {
                flush(shard, Frame.DATA, 0);
            }
        }
    }

    private void flushAll(byte kind, long checkpoint) {
        for (int shard = 0; shard < shards; shard++) {
            flush(shard, kind, checkpoint);
        }
    }

    @Override
    void beforeBarrier(long checkpoint) {
        flushAll(Frame.CHECKPOINT, checkpoint);
        if (sourceReader != null) {
            flushUnread(Frame.CHECKPOINT, checkpoint);
        }
    }

    @Override
    void end() {
        if (clocks != null) {
            clocks.end();
        }
        flushAll(Frame.END, 0);
        if (sourceReader != null) {
            flushUnread(Frame.END, 0);
        }
    }
}
