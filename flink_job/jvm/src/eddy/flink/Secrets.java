package eddy.flink;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.AlgorithmParameters;
import java.security.GeneralSecurityException;
import java.util.Base64;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.crypto.Cipher;
import javax.crypto.EncryptedPrivateKeyInfo;
import javax.crypto.SecretKeyFactory;
import javax.crypto.spec.PBEKeySpec;

/**
 * Secrets of the Kafka clients, looked up in the process that needs them: only their place travels in the job graph.
 *
 * <p>{@code ${eddy:VARIABLE}} and {@code ${eddy:/path:quoted}} give a password for a JAAS line, where it stands in quotes
 * that it must not end: Kafka's own providers put it there as it is. {@code ${eddy:/path:text}} gives a file as it is,
 * and {@code ${eddy:/path:decrypted:PLACE}} a private key whose password is in a variable or file: of keys as openssl
 * encrypts them (PBES2), Kafka's client finds no algorithm.
 */
public final class Secrets extends Internals.Lookup {
    private static final String DECRYPTED = "decrypted:";
    private static final Pattern KEY = Pattern.compile("-----BEGIN ENCRYPTED PRIVATE KEY-----([^-]+)-----END[^-]+-----");

    @Override
    String find(String path, String key) {
        if (key.startsWith(DECRYPTED)) {
            String place = key.substring(DECRYPTED.length());
            String password = place.startsWith("/") ? file(place, "line") : variable(place);
            return decrypted(path, file(path, "text"), password);
        }
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
            if (how.equals("text")) {
                return text;
            }
            String line = text.replaceFirst("[\\r\\n]+$", "");
            return how.equals("quoted") ? quoted(line) : line;
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

    private static String decrypted(String path, String pem, String password) {
        if (pem.contains("-----BEGIN PRIVATE KEY-----")) {
            return pem; // it needs no password
        }
        Matcher found = KEY.matcher(pem);
        if (!found.find()) {
            throw error("kafka.ssl_keyfile: " + path + " holds no PKCS#8 key; 'openssl pkcs8 -topk8' makes it one");
        }
        try {
            byte[] bytes = Base64.getMimeDecoder().decode(found.group(1));
            EncryptedPrivateKeyInfo key = new EncryptedPrivateKeyInfo(bytes);
            AlgorithmParameters parameters = key.getAlgParameters();
            String name = key.getAlgName(); // of PBES2 its parameters name the algorithm
            String algorithm = name.equals("PBES2") || name.startsWith("1.2.") ? parameters.toString() : name;
            PBEKeySpec given = new PBEKeySpec(password.toCharArray());
            Cipher cipher = Cipher.getInstance(algorithm);
            cipher.init(Cipher.DECRYPT_MODE, SecretKeyFactory.getInstance(algorithm).generateSecret(given), parameters);
            String plain = Base64.getMimeEncoder().encodeToString(key.getKeySpec(cipher).getEncoded());
            return "-----BEGIN PRIVATE KEY-----\n" + plain.replace("\r", "") + "\n-----END PRIVATE KEY-----\n";
        } catch (GeneralSecurityException | IOException | RuntimeException error) {
            throw error("kafka.ssl_keyfile: " + path + " cannot be decrypted with kafka.ssl_key_password; Java takes a password of"
                    + " ASCII characters (" + error.getClass().getSimpleName() + ")");
        }
    }
}
