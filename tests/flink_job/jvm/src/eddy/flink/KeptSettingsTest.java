package eddy.flink;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.flink.runtime.checkpoint.OperatorSubtaskState;
import org.apache.flink.runtime.execution.SuppressRestartsException;
import org.apache.flink.runtime.io.network.partition.MockResultPartitionWriter;
import org.apache.flink.runtime.operators.testutils.MockEnvironment;
import org.apache.flink.runtime.operators.testutils.MockEnvironmentBuilder;
import org.apache.flink.streaming.util.OneInputStreamOperatorTestHarness;
import org.apache.flink.types.Row;
import org.junit.jupiter.api.Test;

/** {@link KeptSettings}: state of another number of shards fails the job for good. */
class KeptSettingsTest {
    private static final int MAX_PARALLELISM = 128;

    private static OperatorSubtaskState run(int shards, OperatorSubtaskState state) throws Exception {
        Map<String, String> options = new HashMap<>(Map.of(
                "shards", Integer.toString(shards), "max_parallelism", Integer.toString(MAX_PARALLELISM),
                "batch_ms", "50", "batch_max_events", "10", "batch_max_bytes", "1000", "max_event_bytes", "200",
                "observations", "eddy.observations", "dlq", "2"));
        try (MockEnvironment environment = new MockEnvironmentBuilder().setMaxParallelism(MAX_PARALLELISM).build()) {
            environment.addOutputs(List.of(new MockResultPartitionWriter()));
            try (OneInputStreamOperatorTestHarness<RawEvent, Row> harness =
                    new OneInputStreamOperatorTestHarness<>(new ShardBatcher(options), environment)) {
                harness.setup();
                if (state != null) {
                    harness.initializeState(state);
                }
                harness.open();
                return harness.snapshot(1, 1);
            }
        }
    }

    @Test
    void theSameNumberOfShardsIsRestoredAgainAndAgain() throws Exception {
        OperatorSubtaskState state = run(16, null);
        assertEquals(1, state.getManagedOperatorState().size());
        state = run(16, state);
        assertEquals(1, run(16, state).getManagedOperatorState().size());
    }

    @Test
    void anotherNumberOfShardsFailsTheJobForGood() throws Exception {
        OperatorSubtaskState state = run(16, run(16, null));
        SuppressRestartsException refused = assertThrows(SuppressRestartsException.class, () -> run(8, state));
        String said = refused.getCause().getMessage();
        assertTrue(said.contains("job.shards is 8") && said.contains("written with job.shards=16"), said);
    }
}
