package eddy.flink;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.flink.runtime.io.network.api.writer.ResultPartitionWriter;
import org.apache.flink.runtime.io.network.partition.MockResultPartitionWriter;
import org.apache.flink.runtime.operators.testutils.MockEnvironment;
import org.apache.flink.runtime.operators.testutils.MockEnvironmentBuilder;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.streaming.util.OneInputStreamOperatorTestHarness;
import org.apache.flink.types.Row;
import org.junit.jupiter.api.Test;

/**
 * {@link ShardBatcher} with clocks: what it sends while 17 seconds pass, for tests/flink_job/frame_clocks.py to check.
 *
 * <p>Of the topic {@code web}, aggregated, comes an event every 100 ms, but for the first second and the last four; after 7 s
 * one that Python reads; of {@code slow} one after 3 s, which Python reads as every one of its source. All are of one
 * series, so that most shards get no event.
 */
class FrameClocksTest {
    private static final Path FOLDER = Path.of(System.getProperty("eddy.mappings"));
    private static final long NOW = 1_735_689_600_000L;
    private static final int LAST_MS = 17_000;
    private static final int END_MS = 13_000;

    private final Map<String, String> options = new HashMap<>();
    private long elapsed;
    private OneInputStreamOperatorTestHarness<RawEvent, Row> harness;

    private void send(String topic, String value) throws Exception {
        byte[] content = value.getBytes(StandardCharsets.UTF_8);
        harness.processElement(new StreamRecord<>(new RawEvent(topic, null, content, 3, elapsed, NOW + elapsed)));
    }

    private Bytes scenario(String cluster) throws Exception {
        elapsed = 0;
        options.putAll(Map.of(
                "shards", "4", "max_parallelism", "128", "batch_ms", "50", "batch_max_events", "1000",
                "batch_max_bytes", "100000", "max_event_bytes", "1000", "observations", "eddy.observations", "dlq", "2"));
        options.putAll(Map.of(
                "clocks", "true", "max_ahead_ms", "60000", "first_ms", "631152000000", "last_ms", "4133980799999",
                "clusters", "2", "cluster", cluster, "input", Files.readString(FOLDER.resolve("clocked-plan.json"))));
        MockEnvironment environment =
                new MockEnvironmentBuilder().setMaxParallelism(128).setParallelism(3).setSubtaskIndex(1).build();
        environment.addOutputs(List.<ResultPartitionWriter>of(new MockResultPartitionWriter()));
        SteadyClock clock = new SteadyClock(() -> NOW + elapsed, () -> elapsed * 1_000_000);
        harness = new OneInputStreamOperatorTestHarness<>(new ShardBatcher(options).with(clock), environment);
        harness.setProcessingTime(NOW);
        harness.open();
        Bytes sent = new Bytes();
        int unread = 0;
        for (elapsed = 0; elapsed <= LAST_MS; elapsed += 10) {
            harness.setProcessingTime(NOW + elapsed);
            if (elapsed % 100 == 0 && elapsed >= 1000 && elapsed < END_MS) {
                send("web", "{\"series\":\"s\",\"ts\":" + (NOW - 5000 + elapsed) + ",\"ms\":" + elapsed + "}");
            }
            if (elapsed == 2000 && cluster.equals("0")) {
                send("eddy.observations", "{\"series\":\"s\",\"ts\":1,\"value\":1}");
            }
            if (elapsed == 3000) {
                send("slow", "series;ts\na;1");
            }
            if (elapsed == 7000) {
                send("web", "{\"series\":\"s\",\"ts\":\"2025-01-01\"}");
            }
            for (Row row : harness.extractOutputValues()) {
                sent.number32((int) elapsed);
                sent.sized((byte[]) row.getField(1));
            }
            harness.getOutput().clear();
            if (harness.getSideOutput(ShardBatcher.UNREAD) != null) {
                unread += elapsed < END_MS + 100 ? 0 : harness.getSideOutput(ShardBatcher.UNREAD).size();
                harness.getSideOutput(ShardBatcher.UNREAD).clear();
            }
        }
        assertTrue(unread >= (LAST_MS - END_MS) / 1000 - 1, "Python hears of the time at least once a second: " + unread);
        assertEquals(0, harness.getSideOutput(ShardBatcher.UNREAD).size());
        harness.prepareSnapshotPreBarrier(9);
        for (Row row : harness.extractOutputValues()) {
            sent.number32((int) elapsed);
            sent.sized((byte[]) row.getField(1));
        }
        harness.close();
        environment.close();
        return sent;
    }

    @Test
    void framesOfBothClustersForPython() throws Exception {
        for (String cluster : List.of("0", "1")) {
            Bytes sent = scenario(cluster);
            Files.write(FOLDER.resolve("clocked-" + cluster), Arrays.copyOf(sent.bytes, sent.size));
        }
    }
}
