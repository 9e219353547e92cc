package eddy.flink;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Tokens for Amazon MSK are those that botocore signs (tests/eddy/test_connection_tokens.py), and where keys come from. */
class MskTokenTest {
    private static final Instant NOW = Instant.parse("2026-11-30T12:00:00.7Z");
    private static final String SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
    private static final String LASTING = "aHR0cHM6Ly9rYWZrYS5ldS1jZW50cmFsLTEuYW1hem9uYXdzLmNvbS8_QWN0aW9uPWthZmthLWNsdXN0ZXIlM0FDb25uZWN0Jlgt"
            + "QW16LUFsZ29yaXRobT1BV1M0LUhNQUMtU0hBMjU2JlgtQW16LUNyZWRlbnRpYWw9QUtJREVYQU1QTEUlMkYyMDI2MTEzMCUyRmV1"
            + "LWNlbnRyYWwtMSUyRmthZmthLWNsdXN0ZXIlMkZhd3M0X3JlcXVlc3QmWC1BbXotRGF0ZT0yMDI2MTEzMFQxMjAwMDBaJlgtQW16"
            + "LUV4cGlyZXM9OTAwJlgtQW16LVNpZ25lZEhlYWRlcnM9aG9zdCZYLUFtei1TaWduYXR1cmU9N2YxMDIyYzcyODY5YjBhNWY3ODk2"
            + "Y2I2ZTczZjNiODZiNGVjN2I1YmVkNmUyYjRkYTg3Njk4OGMwODgzMWU2YiZVc2VyLUFnZW50PWVkZHk";
    private static final String WITH_SESSION = "aHR0cHM6Ly9rYWZrYS5ldS1jZW50cmFsLTEuYW1hem9uYXdzLmNvbS8_QWN0aW9uPWthZmthLWNsdXN0ZXIlM0FDb25uZWN0Jlgt"
            + "QW16LUFsZ29yaXRobT1BV1M0LUhNQUMtU0hBMjU2JlgtQW16LUNyZWRlbnRpYWw9QUtJREVYQU1QTEUlMkYyMDI2MTEzMCUyRmV1"
            + "LWNlbnRyYWwtMSUyRmthZmthLWNsdXN0ZXIlMkZhd3M0X3JlcXVlc3QmWC1BbXotRGF0ZT0yMDI2MTEzMFQxMjAwMDBaJlgtQW16"
            + "LUV4cGlyZXM9OTAwJlgtQW16LVNpZ25lZEhlYWRlcnM9aG9zdCZYLUFtei1TZWN1cml0eS1Ub2tlbj1hJTJGJTJCJTNEc2Vzc2lv"
            + "biZYLUFtei1TaWduYXR1cmU9MjRiYmE0ZTMyNzA4YTliNTI2ODMxY2Y4MDdjNzJjOGM4MjU2ZjlhYjExNzVlM2ZhMTZjZjZmNzNi"
            + "YmQ4NzExOSZVc2VyLUFnZW50PWVkZHk";
    private static final String JSON =
            "{\"AccessKeyId\": \"A\", \"SecretAccessKey\": \"S\", \"Token\": \"T\", \"Expiration\": \"2026-12-01T00:00:00Z\"}";
    private final Map<String, String> answers = new HashMap<>();
    private final List<String> asked = new ArrayList<>();
    private HttpServer server;
    private String url;

    @BeforeEach
    void start() throws IOException {
        server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.createContext("/", exchange -> {
            var headers = exchange.getRequestHeaders();
            String body = new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8);
            asked.add(exchange.getRequestMethod() + " " + exchange.getRequestURI() + " " + body
                    + headers.getFirst("Authorization") + " " + headers.getFirst("X-aws-ec2-metadata-token"));
            String answer = answers.get(exchange.getRequestURI().toString());
            byte[] bytes = (answer == null ? "" : answer).getBytes(StandardCharsets.UTF_8);
            exchange.sendResponseHeaders(answer == null ? 404 : 200, bytes.length == 0 ? -1 : bytes.length);
            exchange.getResponseBody().write(bytes);
            exchange.close();
        });
        server.start();
        url = "http://127.0.0.1:" + server.getAddress().getPort();
    }

    @AfterEach
    void stop() {
        server.stop(0);
    }

    @Test
    void tokensAreThoseOfBotocore() throws IOException {
        var lasting = MskToken.sign("eu-central-1", new MskToken.Credentials("AKIDEXAMPLE", SECRET, null), NOW);
        assertEquals(LASTING, lasting.value());
        assertEquals(Instant.parse("2026-11-30T12:15:00Z").toEpochMilli(), lasting.lifetimeMs());
        var session = new MskToken.Credentials("AKIDEXAMPLE", SECRET, "a/+=session");
        assertEquals(WITH_SESSION, MskToken.sign("eu-central-1", session, NOW).value());
        assertTrue(!lasting.facts.contains(SECRET) && lasting.facts.contains("AKIDEXAMPLE"));
    }

    @Test
    void environmentComesFirst() throws IOException {
        var found = credentials(Map.of("AWS_ACCESS_KEY_ID", "A", "AWS_SECRET_ACCESS_KEY", "S", "AWS_SESSION_TOKEN", ""));
        assertEquals("A S", found.id + " " + found.secret);
        assertNull(found.session);
        assertThrows(IOException.class, () -> credentials(Map.of("AWS_ACCESS_KEY_ID", "A")));
    }

    @Test
    void webIdentityAsksTheTokenService() throws IOException {
        Path file = Files.writeString(Files.createTempFile("identity", ""), "a.b+c\n");
        answers.put("/", "<x><AccessKeyId>A</AccessKeyId><SecretAccessKey>S</SecretAccessKey><SessionToken>T</SessionToken></x>");
        var given = new HashMap<>(Map.of("AWS_WEB_IDENTITY_TOKEN_FILE", file.toString(), "AWS_ROLE_ARN", "arn:aws:iam::1:role/r"));
        given.put("AWS_ENDPOINT_URL_STS", url);
        var found = credentials(given);
        assertEquals("A S T", found.id + " " + found.secret + " " + found.session);
        assertTrue(asked.get(0).contains("RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fr&WebIdentityToken=a.b%2Bc"), asked.get(0));
        answers.clear();
        assertTrue(assertThrows(IOException.class, () -> credentials(given)).getMessage().contains("refused the web identity with 404"));
    }

    @Test
    void profileIsReadFromTheSharedFile() throws IOException {
        Path file = Files.writeString(
                Files.createTempFile("credentials", ""),
                "[default]\naws_access_key_id = D\naws_secret_access_key=E\n# [kafka]\n[kafka]\naws_access_key_id=A\n"
                        + "aws_secret_access_key = S==\naws_session_token = T\n");
        var given = Map.of("AWS_SHARED_CREDENTIALS_FILE", file.toString(), "AWS_PROFILE", "kafka");
        assertEquals("A S== T", credentials(given).id + " " + credentials(given).secret + " " + credentials(given).session);
        assertEquals("D", credentials(Map.of("AWS_SHARED_CREDENTIALS_FILE", file.toString())).id);
    }

    @Test
    void containersAndMachinesAreAsked() throws IOException {
        answers.put("/container", JSON);
        var container = Map.of(
                "AWS_SHARED_CREDENTIALS_FILE", "/none", "AWS_CONTAINER_CREDENTIALS_FULL_URI", url + "/container",
                "AWS_CONTAINER_AUTHORIZATION_TOKEN", "allowed");
        assertEquals("T", credentials(container).session);
        assertTrue(asked.get(0).contains("GET /container allowed"), asked.get(0));
        answers.put("/latest/api/token", "metadata");
        answers.put("/latest/meta-data/iam/security-credentials/", "role\n");
        answers.put("/latest/meta-data/iam/security-credentials/role", JSON);
        var machine = Map.of("AWS_SHARED_CREDENTIALS_FILE", "/none", "AWS_EC2_METADATA_SERVICE_ENDPOINT", url);
        assertEquals("S", credentials(machine).secret);
        assertTrue(asked.get(3).endsWith("security-credentials/role null metadata"), asked.get(3));
        answers.remove("/latest/api/token");
        String said = assertThrows(IOException.class, () -> credentials(machine)).getMessage();
        assertTrue(said.startsWith("no credentials for Amazon MSK in the environment"), said);
    }

    private static MskToken.Credentials credentials(Map<String, String> environment) throws IOException {
        return MskToken.credentials(environment, "eu-central-1");
    }
}
