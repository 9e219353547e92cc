package eddy.flink;

import java.io.IOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.time.temporal.ChronoUnit;
import java.util.Base64;
import java.util.HexFormat;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/**
 * Signs tokens for Amazon MSK, byte for byte as botocore does: a URL of the action that opens a connection, in base64.
 *
 * <p>Amazon's own jar cannot log the connector's client in: its classes are those of a Kafka client that is not renamed.
 */
final class MskToken {
    static final long SECONDS = 900; // as long as Amazon accepts a signed request
    private static final String SERVICE = "kafka-cluster";
    private static final DateTimeFormatter TIME =
            DateTimeFormatter.ofPattern("yyyyMMdd'T'HHmmss'Z'").withZone(ZoneOffset.UTC);
    private static final int TIMEOUT_MS = 2000;

    private MskToken() {}

    /** Credentials; the session is null for those that last. */
    static final class Credentials {
        final String id;
        final String secret;
        final String session;

        Credentials(String id, String secret, String session) throws IOException {
            if (id == null || secret == null || id.isEmpty() || secret.isEmpty()) {
                throw new IOException("no credentials for Amazon MSK: an access key or its secret is missing");
            }
            this.id = id;
            this.secret = secret;
            this.session = session == null || session.isEmpty() ? null : session;
        }
    }

    static Internals.Token sign(String region) throws IOException {
        Map<String, String> environment = System.getenv();
        String there = region;
        for (String name : new String[] {"AWS_REGION", "AWS_DEFAULT_REGION"}) {
            there = there == null || there.isEmpty() ? environment.get(name) : there;
        }
        if (there == null || there.isEmpty()) {
            throw new IOException("kafka.aws_region is not set, nor AWS_REGION; it names the region of the MSK cluster");
        }
        return sign(there, credentials(environment, there), Instant.now());
    }

    static Internals.Token sign(String region, Credentials with, Instant now) {
        String time = TIME.format(now);
        String day = time.substring(0, 8);
        String scope = day + "/" + region + "/" + SERVICE + "/aws4_request";
        String host = "kafka." + region + ".amazonaws.com";
        String[][] query = {
            {"Action", SERVICE + ":Connect"},
            {"X-Amz-Algorithm", "AWS4-HMAC-SHA256"},
            {"X-Amz-Credential", with.id + "/" + scope},
            {"X-Amz-Date", time},
            {"X-Amz-Expires", String.valueOf(SECONDS)},
            {"X-Amz-SignedHeaders", "host"},
            {"X-Amz-Security-Token", with.session},
        };
        StringBuilder sent = new StringBuilder();
        TreeMap<String, String> sorted = new TreeMap<>();
        for (String[] one : query) {
            if (one[1] != null) {
                sent.append(sent.length() == 0 ? "" : "&").append(one[0]).append('=').append(Tokens.encoded(one[1]));
                sorted.put(one[0], one[0] + "=" + Tokens.encoded(one[1]));
            }
        }
        String request = "GET\n/\n" + String.join("&", sorted.values()) + "\nhost:" + host + "\n\nhost\n" + sha256("");
        String signed = "AWS4-HMAC-SHA256\n" + time + "\n" + scope + "\n" + sha256(request);
        byte[] key = bytes("AWS4" + with.secret);
        for (String part : new String[] {day, region, SERVICE, "aws4_request", signed}) {
            key = hmac(key, part);
        }
        String signature = HexFormat.of().formatHex(key);
        String url = "https://" + host + "/?" + sent + "&X-Amz-Signature=" + signature + "&User-Agent=eddy";
        Instant began = now.truncatedTo(ChronoUnit.SECONDS);
        Instant ends = began.plusSeconds(SECONDS);
        String value = Base64.getUrlEncoder().withoutPadding().encodeToString(bytes(url));
        String facts = "access key " + with.id + ", region " + region + ", valid from " + began + " until " + ends;
        return new Internals.Token(value, ends.toEpochMilli(), "eddy", facts);
    }

    /** Where AWS's tools look, in their order: environment, web identity, profile, container, machine. */
    static Credentials credentials(Map<String, String> environment, String region) throws IOException {
        if (environment.get("AWS_ACCESS_KEY_ID") != null) {
            return new Credentials(
                    environment.get("AWS_ACCESS_KEY_ID"),
                    environment.get("AWS_SECRET_ACCESS_KEY"),
                    environment.get("AWS_SESSION_TOKEN"));
        }
        if (environment.get("AWS_WEB_IDENTITY_TOKEN_FILE") != null && environment.get("AWS_ROLE_ARN") != null) {
            return webIdentity(environment, region);
        }
        Credentials found = profile(environment);
        if (found != null) {
            return found;
        }
        String relative = environment.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
        String full = environment.get("AWS_CONTAINER_CREDENTIALS_FULL_URI");
        if (relative != null || full != null) {
            String url = relative == null ? full : "http://169.254.170.2" + relative;
            String file = environment.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
            String token = file == null ? environment.get("AWS_CONTAINER_AUTHORIZATION_TOKEN") : line(file);
            return fromJson(get("GET", url, token == null ? Map.of() : Map.of("Authorization", token)));
        }
        return machine(environment);
    }

    private static Credentials webIdentity(Map<String, String> environment, String region) throws IOException {
        String form = "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleSessionName="
                + Tokens.encoded(environment.getOrDefault("AWS_ROLE_SESSION_NAME", "eddy")) + "&RoleArn="
                + Tokens.encoded(environment.get("AWS_ROLE_ARN")) + "&WebIdentityToken="
                + Tokens.encoded(line(environment.get("AWS_WEB_IDENTITY_TOKEN_FILE")));
        String url = environment.getOrDefault("AWS_ENDPOINT_URL_STS", "https://sts." + region + ".amazonaws.com") + "/";
        Map<String, String> headers = Map.of("Content-Type", "application/x-www-form-urlencoded");
        Tokens.Answer answer = Tokens.ask("POST", url, headers, form, null, 5 * TIMEOUT_MS);
        String xml = new String(answer.content, StandardCharsets.UTF_8);
        if (answer.status != 200) {
            throw new IOException("no credentials for Amazon MSK: " + url + " refused the web identity with " + answer.status
                    + " " + element(xml, "Code"));
        }
        return new Credentials(element(xml, "AccessKeyId"), element(xml, "SecretAccessKey"), element(xml, "SessionToken"));
    }

    private static String element(String xml, String name) {
        Matcher found = Pattern.compile("<" + name + ">([^<]{1,8192})</" + name + ">").matcher(xml);
        return found.find() ? found.group(1).strip() : null;
    }

    private static Credentials profile(Map<String, String> environment) throws IOException {
        String home = System.getProperty("user.home", "");
        Path file = Path.of(environment.getOrDefault("AWS_SHARED_CREDENTIALS_FILE", home + "/.aws/credentials"));
        String name = environment.getOrDefault("AWS_PROFILE", "default");
        if (!Files.isReadable(file)) {
            return null;
        }
        Map<String, String> found = new TreeMap<>();
        boolean inside = false;
        for (String line : Files.readAllLines(file)) {
            String text = line.strip();
            if (text.startsWith("[")) {
                inside = text.equals("[" + name + "]");
            } else if (inside && text.contains("=") && !text.startsWith("#")) {
                found.put(text.substring(0, text.indexOf('=')).strip(), text.substring(text.indexOf('=') + 1).strip());
            }
        }
        return found.isEmpty()
                ? null
                : new Credentials(
                        found.get("aws_access_key_id"), found.get("aws_secret_access_key"), found.get("aws_session_token"));
    }

    private static Credentials machine(Map<String, String> environment) throws IOException {
        String url = environment.getOrDefault("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://169.254.169.254");
        String where = url.replaceFirst("/$", "") + "/latest/";
        try {
            Map<String, String> life = Map.of("X-aws-ec2-metadata-token-ttl-seconds", "300");
            String token = text(get("PUT", where + "api/token", life));
            Map<String, String> with = Map.of("X-aws-ec2-metadata-token", token);
            String roles = where + "meta-data/iam/security-credentials/";
            return fromJson(get("GET", roles + text(get("GET", roles, with)).lines().findFirst().orElse(""), with));
        } catch (IOException error) {
            throw new IOException("no credentials for Amazon MSK in the environment, a web identity, the profile's file, or at the"
                    + " container's or machine's metadata service (" + error.getMessage() + ")");
        }
    }

    private static byte[] get(String method, String url, Map<String, String> headers) throws IOException {
        Tokens.Answer answer = Tokens.ask(method, url, headers, null, null, TIMEOUT_MS);
        if (answer.status != 200) {
            throw new IOException("no credentials for Amazon MSK: " + URI.create(url).getHost() + " answered " + answer.status);
        }
        return answer.content;
    }

    private static Credentials fromJson(byte[] content) throws IOException {
        Map<String, Object> found = Internals.json(content);
        return new Credentials(
                (String) found.get("AccessKeyId"), (String) found.get("SecretAccessKey"), (String) found.get("Token"));
    }

    private static String line(String file) throws IOException {
        return Files.readString(Path.of(file)).strip();
    }

    private static String text(byte[] content) {
        return new String(content, StandardCharsets.UTF_8).strip();
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private static String sha256(String text) {
        try {
            return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes(text)));
        } catch (GeneralSecurityException error) {
            throw new IllegalStateException(error);
        }
    }

    private static byte[] hmac(byte[] key, String text) {
        try {
            Mac mac = Mac.getInstance("HmacSHA256");
            mac.init(new SecretKeySpec(key, "HmacSHA256"));
            return mac.doFinal(bytes(text));
        } catch (GeneralSecurityException error) {
            throw new IllegalStateException(error);
        }
    }
}
