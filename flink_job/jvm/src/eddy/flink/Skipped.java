package eddy.flink;

import java.util.HashSet;
import java.util.Set;

/** The places of one topic that are not to be read, of texts {@code topic:partition:offset} with commas between them. */
final class Skipped {
    private final Set<String> places = new HashSet<>();
    private final boolean none; // nearly always

    Skipped(String texts, String topic) {
        for (String text : texts.split(",")) {
            if (text.startsWith(topic + ":")) {
                places.add(text.substring(topic.length() + 1));
            }
        }
        none = places.isEmpty();
    }

    boolean holds(int partition, long offset) {
        return !none && places.contains(partition + ":" + offset);
    }
}
