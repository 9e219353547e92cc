package eddy.flink;

import java.nio.charset.StandardCharsets;
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

    private static final String TEMPLATE = "eddy.series:"; // a topic or pattern, "=", its template

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

    /**
     * The template of a source's series ids is part of what the state means as well: with another one, the same machine is
     * another series, and what was learnt of it is lost without a word. Of a topic's earlier templates the list is empty.
     */
    static void checkTemplates(OperatorStateStore store, String templates, String accepted) throws Exception {
        Json.Fields own = (Json.Fields) new Json().parse(templates.getBytes(StandardCharsets.UTF_8));
        for (int i = 0; i < own.size(); i++) {
            String topic = own.name(i);
            String wanted = (String) own.value(i);
            String prefix = TEMPLATE + topic + "=";
            for (String name : List.copyOf(store.getRegisteredStateNames())) {
                if (!name.startsWith(prefix) || name.equals(prefix + wanted)) {
                    continue;
                }
                ListState<Integer> before = store.getUnionListState(new ListStateDescriptor<>(name, Types.INT));
                if (before.get().iterator().hasNext() && !"true".equals(accepted)) {
                    throw Internals.forGood("input: the series of " + topic + " are " + wanted + ", but this state was written with "
                            + name.substring(prefix.length()) + ": submit the job with that template, without a savepoint, or with"
                            + " job.accept_templates=true, which keeps the series that are there beside the new ones");
                }
                before.update(List.of());
            }
            ListState<Integer> state = store.getUnionListState(new ListStateDescriptor<>(prefix + wanted, Types.INT));
            state.update(List.of(1));
        }
    }
}
