package eddy.flink;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * Secrets of the Kafka clients, looked up in the process that needs them: only their place travels in the job graph.
 *
 * <p>{@code ${eddy:VARIABLE}} and {@code ${eddy:/path:quoted}} give a password for a JAAS line, where it stands in quotes
 * that it must not end: Kafka's own providers put it there as it is. {@code ${eddy:/path:text}} gives a file as it is.
 */
public final class Secrets extends Internals.Lookup {
    @Override
    String find(String path, String key) {
        return path.isEmpty() ? quoted(variable(key)) : file(path, key);
    }

    private static String variable(String name) {
        String value = System.getenv(name);
        if (value == null) {
            throw error("environment variable " + name + " is not set in this process (pid "
                    + ProcessHandle.current().pid() + "); set it for JobManager, TaskManagers and client");
        }
        return value;
    }

    private static String file(String path, String how) {
        try {
            String text = Files.readString(Path.of(path));
            return how.equals("quoted") ? quoted(text.replaceFirst("[\\r\\n]+$", "")) : text;
        } catch (IOException error) {
            throw error("secret file " + path + " cannot be read on this machine: " + error);
        }
    }

    /** As it must stand between double quotes of a JAAS line, which Java reads as a quoted word of its own syntax. */
    private static String quoted(String text) {
        StringBuilder out = new StringBuilder();
        for (char c : text.toCharArray()) {
            if (c == '"' || c == '\\') {
                out.append('\\').append(c);
            } else if (c < ' ') {
                out.append(String.format("\\%03o", (int) c));
            } else {
                out.append(c);
            }
        }
        return out.toString();
    }
}
