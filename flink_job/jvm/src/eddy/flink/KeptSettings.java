package eddy.flink;

import java.util.List;
import org.apache.flink.api.common.state.ListState;
import org.apache.flink.api.common.state.ListStateDescriptor;
import org.apache.flink.api.common.state.OperatorStateStore;
import org.apache.flink.api.common.typeinfo.Types;

/**
 * Keeps in state the setting that says what the state means, and refuses state of another value.
 *
 * <p>The number of shards is part of the key of each series' state: with another number a shard would look for its series
 * under keys that other series have, and never alert. The value is part of the state's name, since names stand in a
 * savepoint's {@code _metadata}: there ops/savepoints.py finds it before a job is submitted.
 */
final class KeptSettings {
    private static final String SHARDS = "eddy.shards=";

    private KeptSettings() {}

    /** Called by every subtask before the first record; state of a version that kept no settings is taken. */
    static void check(OperatorStateStore store, int shards) throws Exception {
        String own = SHARDS + shards;
        for (String name : store.getRegisteredStateNames()) {
            if (name.startsWith(SHARDS) && !name.equals(own)) {
                String found = name.substring(SHARDS.length());
                throw Internals.forGood("job.shards is " + shards + ", but this state was written with job.shards=" + found
                        + ": submit the job with job.shards=" + found + ", or without a savepoint");
            }
        }
        ListState<Integer> state = store.getUnionListState(new ListStateDescriptor<>(own, Types.INT));
        state.update(List.of(shards));
    }
}
