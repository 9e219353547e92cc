package eddy.flink;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.flink.runtime.io.network.api.writer.ResultPartitionWriter;
import org.apache.flink.runtime.io.network.buffer.NetworkBufferPool;
import org.apache.flink.runtime.io.network.partition.MockResultPartitionWriter;
import org.apache.flink.runtime.io.network.partition.NoOpBufferAvailablityListener;
import org.apache.flink.runtime.io.network.partition.ResultPartition;
import org.apache.flink.runtime.io.network.partition.ResultPartitionBuilder;
import org.apache.flink.runtime.io.network.partition.ResultSubpartitionIndexSet;
import org.apache.flink.runtime.io.network.partition.ResultSubpartitionView;
import org.apache.flink.runtime.operators.testutils.MockEnvironment;
import org.apache.flink.runtime.operators.testutils.MockEnvironmentBuilder;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.streaming.util.OneInputStreamOperatorTestHarness;
import org.apache.flink.types.Row;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** {@link ShardBatcher} in Flink's own harness: what leaves it when. Time stands still but for {@link #at}. */
class ShardBatcherTest {
    private static final int SHARDS = 4;
    private static final int MAX_PARALLELISM = 128;
    private static final long NOW = 1_735_689_600_000L;

    private final Map<String, String> options = new HashMap<>();
    private long elapsed; // ms since the start
    private long step; // of the wall clock, ms
    private MockEnvironment environment;
    private OneInputStreamOperatorTestHarness<RawEvent, Row> harness;

    @BeforeEach
    void chooseOptions() {
        options.putAll(Map.of(
                "shards", Integer.toString(SHARDS), "max_parallelism", Integer.toString(MAX_PARALLELISM),
                "batch_ms", "50", "batch_max_events", "10", "batch_max_bytes", "1000", "max_event_bytes", "200",
                "observations", "eddy.observations", "dlq", "2"));
    }

    @AfterEach
    void close() throws Exception {
        if (harness != null) {
            harness.close();
            environment.close();
        }
    }

    private void start(ResultPartitionWriter next) throws Exception {
        environment = new MockEnvironmentBuilder().setMaxParallelism(MAX_PARALLELISM).setParallelism(2).setSubtaskIndex(1).build();
        environment.addOutputs(List.of(next));
        SteadyClock clock = new SteadyClock(() -> NOW + elapsed + step, () -> elapsed * 1_000_000);
        harness = new OneInputStreamOperatorTestHarness<>(new ShardBatcher(options).with(clock), environment);
        harness.setProcessingTime(NOW);
        harness.open();
    }

    /** Let the time be so many milliseconds after the start. */
    private void at(long ms) throws Exception {
        elapsed = ms;
        harness.setProcessingTime(NOW + ms);
    }

    private void start() throws Exception {
        start(new MockResultPartitionWriter());
    }

    private void send(String key, String value, long offset) throws Exception {
        byte[] series = key == null ? null : key.getBytes(StandardCharsets.UTF_8);
        byte[] content = value == null ? null : value.getBytes(StandardCharsets.UTF_8);
        harness.processElement(new StreamRecord<>(new RawEvent("eddy.observations", series, content, 3, offset, NOW)));
    }

    /** A frame's header. */
    private final class Header {
        final int kind;
        final int shard;
        final int events;
        final long at;
        final int source;
        final int sources;
        final long checkpoint;
        final byte[] bytes;

        Header(Row row) {
            bytes = (byte[]) row.getField(1);
            ByteBuffer in = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
            assertEquals(1, in.get(), "version");
            kind = in.get();
            shard = in.getShort();
            events = in.getInt();
            at = in.getLong();
            int keys = in.getInt();
            source = in.getInt();
            sources = in.getInt();
            int end = 36 + in.getInt() + events * 28 + keys * 4 - 4;
            end += keys == 0 ? 0 : in.getInt(32 + events * 28 + keys * 4 - 4);
            checkpoint = bytes.length == end + 8 ? in.getLong(end) : 0;
            assertEquals(Shards.keys(Integer.parseInt(options.get("shards")), MAX_PARALLELISM)[shard].getField(0), row.getField(0), "the shard's key");
        }
    }

    /** What has left since the last call. */
    private List<Header> sent() {
        List<Header> found = new ArrayList<>();
        for (Row row : harness.extractOutputValues()) {
            found.add(new Header(row));
        }
        harness.getOutput().clear();
        return found;
    }

    /** Let milliseconds pass, one by one. */
    private void pass(int from, int to) throws Exception {
        for (int ms = from + 1; ms <= to; ms++) {
            at(ms);
        }
    }

    private static List<Header> ofKind(List<Header> headers, int kind) {
        return headers.stream().filter(header -> header.kind == kind).toList();
    }

    private static int shardOf(String series) {
        return Shards.of(series.getBytes(StandardCharsets.UTF_8), SHARDS);
    }

    @Test
    void eventsLeaveTogetherAfterBatchMs() throws Exception {
        start();
        send("a", "1", 0);
        send("a", "2", 1);
        at(49);
        assertTrue(ofKind(sent(), Frame.DATA).isEmpty());
        at(50);
        List<Header> all = sent();
        // a part of the shards may get its tick with this flush, and what it holds leaves with it
        List<Header> frames = all.stream().filter(header -> header.events > 0).toList();
        assertEquals(1, frames.size());
        assertEquals(shardOf("a"), frames.get(0).shard);
        assertEquals(2, frames.get(0).events);
        assertEquals(NOW + 50, frames.get(0).at);
        assertEquals(1, frames.get(0).source);
        assertEquals(2, frames.get(0).sources);
    }

    @Test
    void aFullFrameTakesTheOthersAlong() throws Exception {
        start();
        String other = shardOf("a") == shardOf("b") ? "c" : "b";
        assertTrue(shardOf(other) != shardOf("a"));
        send(other, "1", 0);
        for (int k = 0; k < 9; k++) {
            send("a", "1", k);
        }
        assertTrue(sent().isEmpty());
        send("a", "1", 9);
        List<Header> frames = sent();
        assertEquals(2, frames.size());
        assertEquals(11, frames.stream().mapToInt(header -> header.events).sum());
        for (int k = 0; k < 5; k++) {
            send("a", "x".repeat(200), k); // by bytes: batch_max_bytes
        }
        assertEquals(1, ofKind(sent(), Frame.DATA).size());
    }

    @Test
    void beforeABarrierEveryShardGetsACheckpointFrameWithAllItHolds() throws Exception {
        start();
        send("a", "1", 0);
        harness.prepareSnapshotPreBarrier(1);
        List<Header> frames = sent();
        assertEquals(SHARDS, frames.size());
        assertEquals(SHARDS, ofKind(frames, Frame.CHECKPOINT).size());
        for (int shard = 0; shard < SHARDS; shard++) {
            assertEquals(shard, frames.get(shard).shard);
            assertEquals(shard == shardOf("a") ? 1 : 0, frames.get(shard).events);
            assertEquals(1, frames.get(shard).checkpoint);
        }
        harness.prepareSnapshotPreBarrier(2);
        assertEquals(0, sent().stream().mapToInt(header -> header.events).sum(), "nothing is sent twice");
    }

    @Test
    void aBoundedInputEndsWithAFrameForEveryShard() throws Exception {
        start();
        send("a", "1", 0);
        harness.getOperator().finish();
        List<Header> frames = ofKind(sent(), Frame.END);
        assertEquals(SHARDS, frames.size());
        assertEquals(1, frames.stream().mapToInt(header -> header.events).sum());
    }

    /** Ticks by shard from now on, a millisecond at a time. */
    private int[] ticks(int from, int to) throws Exception {
        int[] ticks = new int[SHARDS];
        for (int ms = from + 1; ms <= to; ms++) {
            at(ms);
            List<Header> now = ofKind(sent(), Frame.TICK);
            assertTrue(now.size() <= 1, "one part of the shards at a time");
            now.forEach(header -> ticks[header.shard]++);
        }
        return ticks;
    }

    @Test
    void eachShardTicksOnceASecondWhileSourcesTakeTurns() throws Exception {
        start(); // one of two
        assertArrayEquals(new int[] {3, 3, 3, 3}, ticks(0, 6000));
    }

    @Test
    void aStepOfTheWallClockStopsNeitherBatchesNorTicksAndMovesNoTime() throws Exception {
        for (long hour : new long[] {-3_600_000, 3_600_000}) {
            elapsed = step = 0;
            start();
            ticks(0, 4000);
            step = hour;
            assertArrayEquals(new int[] {2, 2, 2, 2}, ticks(4000, 8000), "step of " + hour);
            send("a", "1", 0);
            pass(8000, 8100);
            List<Header> frames = sent();
            assertEquals(1, frames.stream().mapToInt(header -> header.events).sum());
            long off = frames.get(0).at - (NOW + elapsed);
            assertTrue(Math.abs(off) <= 4200, "found " + off); // of 4.1 s since the step at most as many
            assertTrue(hour > 0 ? off > 0 : off < 0, "it follows the wall clock slowly");
            harness.close();
        }
    }

    @Test
    void theFramesOfAllShardsTogetherAreBounded() throws Exception {
        options.putAll(Map.of("shards", "64", "batch_max_events", "1000"));
        environment = new MockEnvironmentBuilder().setMaxParallelism(MAX_PARALLELISM).build();
        environment.addOutputs(List.of(new MockResultPartitionWriter()));
        SteadyClock clock = new SteadyClock(() -> NOW, () -> 0);
        harness = new OneInputStreamOperatorTestHarness<>(new ShardBatcher(options).with(clock), environment);
        harness.open();
        int most = 0;
        int sentEvents = 0;
        for (int k = 0; k < 100; k++) {
            send("series-" + k, "x".repeat(150), k);
            sentEvents += sent().stream().mapToInt(header -> header.events).sum();
            most = Math.max(most, k + 1 - sentEvents);
        }
        assertTrue(most * 150 <= 4000, "found " + most + " events that wait"); // four times batch_max_bytes
        assertTrue(most > 20);
    }

    @Test
    void keysCountAmongTheBytesOfAFrame() throws Exception {
        options.put("batch_max_events", "1000");
        start();
        for (int k = 10; k < 50; k++) {
            send(String.valueOf(k).repeat(95), "1", k);
        }
        assertTrue(ofKind(sent(), Frame.DATA).size() > 0);
    }

    @Test
    void whatTheJobSkipsIsADeadLetterAndNoEvent() throws Exception {
        options.put("skip", "eddy.observations:3:7,eddy.feedback:3:8,eddy.observations:2:9");
        start();
        for (long offset = 7; offset < 10; offset++) {
            send("a", "poison", offset);
        }
        harness.prepareSnapshotPreBarrier(1);
        assertEquals(2, sent().stream().mapToInt(header -> header.events).sum());
        assertEquals(1, harness.getSideOutput(ShardBatcher.UNUSABLE).size());
        String text = new String(harness.getSideOutput(ShardBatcher.UNUSABLE).poll().getValue(), StandardCharsets.ISO_8859_1);
        assertTrue(text.contains("skipped") && text.contains("poison") && text.contains("job.skip names this record"));
    }

    @Test
    void framesGrowWhileTheNextOperatorHasNotTakenTheLast() throws Exception {
        NetworkBufferPool pool = new NetworkBufferPool(10, 1024);
        ResultPartition next = new ResultPartitionBuilder().setNetworkBufferPool(pool).setNumberOfSubpartitions(1).build();
        next.setup();
        start(next);
        at(50); // the first flush waits for nothing
        sent();
        next.emitRecord(ByteBuffer.wrap(new byte[100]), 0);
        next.flushAll();
        assertTrue(next.getSizeOfQueuedBuffersUnsafe() > 0);
        send("a", "1", 0);
        pass(50, 600);
        assertTrue(sent().isEmpty(), "it grows");
        ResultSubpartitionView view =
                next.createSubpartitionView(new ResultSubpartitionIndexSet(0), new NoOpBufferAvailablityListener());
        view.getNextBuffer().buffer().recycleBuffer();
        assertEquals(0, next.getSizeOfQueuedBuffersUnsafe());
        pass(600, 640);
        assertTrue(sent().isEmpty(), "and for batch_ms longer: the next operator is at work on what it took");
        pass(640, 660);
        assertEquals(1, sent().stream().mapToInt(header -> header.events).sum());
        next.emitRecord(ByteBuffer.wrap(new byte[100]), 0);
        next.flushAll();
        send("a", "2", 1);
        pass(660, 1600);
        assertTrue(sent().isEmpty());
        pass(1600, 1700);
        assertEquals(1, sent().stream().mapToInt(header -> header.events).sum(), "a second at most");
        view.releaseAllResources();
        next.release();
        pool.destroyAllBufferPools();
        pool.destroy();
    }

    @Test
    void whatIsTooLargeIsADeadLetterWithItsPlace() throws Exception {
        start();
        send("a", "y".repeat(201), 7);
        harness.prepareSnapshotPreBarrier(1);
        assertEquals(0, sent().stream().mapToInt(header -> header.events).sum());
        byte[] record = harness.getSideOutput(ShardBatcher.UNUSABLE).poll().getValue();
        String text = new String(record, StandardCharsets.ISO_8859_1);
        assertTrue(text.contains("found 201 bytes, expected at most 200; send smaller messages or raise job.max_event_bytes"));
        assertTrue(text.contains("oversized") && text.contains("eddy.observations"));
        ByteBuffer in = ByteBuffer.wrap(record).order(ByteOrder.LITTLE_ENDIAN);
        assertEquals(record.length - 4, in.getInt());
        assertEquals(2, in.get(), "the topic of dead letters");
        assertEquals(NOW, in.getLong());
    }

    @Test
    void ofWhatIsFarTooLargeTheBeginningTheSizeAndADigestAreKept() throws Exception {
        start();
        send("a", "y".repeat(100_000), 7);
        byte[] record = harness.getSideOutput(ShardBatcher.UNUSABLE).poll().getValue();
        assertTrue(record.length < 6_000, "found " + record.length);
        String text = new String(record, StandardCharsets.ISO_8859_1);
        assertTrue(text.contains("size") && text.contains("100000") && text.contains("truncated"));
        byte[] whole = java.security.MessageDigest.getInstance("SHA-256").digest("y".repeat(100_000).getBytes(StandardCharsets.UTF_8));
        assertTrue(text.contains(String.format("%064x", new java.math.BigInteger(1, whole))));
    }

    @Test
    void aKeyThatIsTooLargeIsADeadLetterToo() throws Exception {
        start();
        send("k".repeat(100_000), "{}", 7);
        harness.prepareSnapshotPreBarrier(1);
        assertEquals(0, sent().stream().mapToInt(header -> header.events).sum());
        byte[] record = harness.getSideOutput(ShardBatcher.UNUSABLE).poll().getValue();
        assertTrue(record.length < 6_000, "found " + record.length);
        assertTrue(new String(record, StandardCharsets.ISO_8859_1).contains("found a key of 100000 bytes"));
    }

    @Test
    void aTimestampBelowZeroDoesNotStopTheSink() {
        byte[] framed = Outputs.encode(0, -2, new byte[] {1}, new byte[] {2}, Map.of());
        byte[] record = java.util.Arrays.copyOfRange(framed, 4, framed.length);
        assertEquals(null, new Outputs.Schema(new String[] {"t"}).serialize(record, null, null).timestamp());
        framed = Outputs.encode(0, NOW, new byte[] {1}, new byte[] {2}, Map.of());
        record = java.util.Arrays.copyOfRange(framed, 4, framed.length);
        assertEquals(NOW, new Outputs.Schema(new String[] {"t"}).serialize(record, null, null).timestamp());
    }

    /** For tests/flink_job/test_jvm.py, which reads the frame as the job does. */
    @Test
    void aFrameForPython() throws Exception {
        options.put("batch_max_events", "1000");
        start();
        Map<Integer, Integer> counts = new HashMap<>();
        List<String> lines = Files.readAllLines(Path.of(System.getProperty("eddy.messages")));
        for (int k = 0; k < lines.size(); k++) {
            String[] parts = lines.get(k).split("\t", -1);
            send(parts[0].isEmpty() ? null : parts[0], parts[1], 100 + k);
            counts.merge(shardOf(parts[2]), 1, Integer::sum);
        }
        harness.prepareSnapshotPreBarrier(1);
        for (Header header : sent()) {
            assertEquals(counts.getOrDefault(header.shard, 0), header.events);
            Files.write(Path.of(System.getProperty("eddy.frames"), header.shard + ".frame"), header.bytes);
        }
    }
}
