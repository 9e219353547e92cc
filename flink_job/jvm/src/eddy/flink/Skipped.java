package eddy.flink;

import java.util.Arrays;
import java.util.HashSet;
import java.util.Set;

/** The places that are not to be read, of texts {@code topic:partition:offset} with commas between them. */
final class Skipped {
    private final Set<String> places;
    private final boolean none; // nearly always

    Skipped(String texts) {
        none = texts.isEmpty();
        places = new HashSet<>(Arrays.asList(texts.split(",")));
    }

    boolean holds(RawEvent event) {
        return !none && places.contains(event.topic + ":" + event.partition + ":" + event.offset);
    }
}
