package io.palimpsest.server.store;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.net.httpserver.HttpExchange;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.port.ObjectStore;
import io.palimpsest.port.ObjectStore.Content;
import io.palimpsest.port.ObjectVersions;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import software.amazon.awssdk.auth.credentials.AnonymousCredentialsProvider;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.AwsCredentialsProviderChain;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.auth.credentials.SystemPropertyCredentialsProvider;

/** What an S3's answers mean, each asked for once only. */
class S3AnswersTest extends AnswersContract {
    private static final String SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    private static final String DATE = "Tue, 24 Nov 2026 12:00:00 GMT";

    private final S3Store store =
            new S3Store(
                    settings(),
                    StaticCredentialsProvider.create(
                            AwsBasicCredentials.create("AKIAIOSFODNN7EXAMPLE", SECRET)));

    @Override
    ObjectStore store() {
        return store;
    }

    @Override
    List<String> secrets() {
        return List.of(SECRET);
    }

    @AfterEach
    void closeStore() {
        store.close();
    }

    private StoreSettings.S3 settings() {
        return new StoreSettings.S3(
                "bucket",
                "eu-north-1",
                "p/",
                answers.endpoint(),
                null,
                new StoreSettings.Bounds(4, 1000, Duration.ofSeconds(2), Duration.ofSeconds(2)));
    }

    private void s3Error(int status, String code) {
        answers.answer(
                status,
                "<?xml version=\"1.0\"?><Error><Code>%s</Code><Message>m</Message></Error>"
                        .formatted(code),
                "Content-Type",
                "application/xml");
    }

    @Test
    void codesMeanWhatTheyMean() {
        s3Error(503, "SlowDown");
        fails(ErrorCode.THROTTLED, this::put);
        s3Error(503, "ServiceUnavailable");
        fails(ErrorCode.UNAVAILABLE, this::put);
        s3Error(500, "InternalError");
        fails(ErrorCode.UNAVAILABLE, this::get);
        s3Error(412, "PreconditionFailed");
        fails(ErrorCode.CONFLICT, this::put);
        s3Error(409, "ConditionalRequestConflict");
        fails(ErrorCode.UNAVAILABLE, this::put);
        s3Error(404, "NoSuchKey");
        fails(ErrorCode.NOT_FOUND, this::get);
        fails(ErrorCode.CONFLICT, this::put);
        s3Error(404, "NoSuchBucket");
        fails(ErrorCode.BAD_REQUEST, this::get);
        s3Error(400, "BadDigest");
        fails(ErrorCode.UNAVAILABLE, this::put);
        s3Error(400, "AuthorizationHeaderMalformed");
        fails(ErrorCode.BAD_REQUEST, this::put);
    }

    @Test
    void whatIsDeniedNamesPermissionAndIdentity() {
        s3Error(403, "AccessDenied");
        String message = String.valueOf(fails(ErrorCode.DENIED, this::put).getMessage());
        assertTrue(message.contains("s3:PutObject"), message);
        assertTrue(message.contains("AKIA...MPLE"), message);
        assertTrue(message.contains("arn:aws:s3:::bucket/p/k"), message);
        message = String.valueOf(fails(ErrorCode.DENIED, () -> store.head("k")).getMessage());
        assertTrue(message.contains("s3:GetObject"), message);
        message =
                String.valueOf(
                        fails(ErrorCode.DENIED, () -> store.list("", true, 1, null)).getMessage());
        assertTrue(message.contains("s3:ListBucket on arn:aws:s3:::bucket ("), message);
        answers.answer(
                200,
                "<?xml version=\"1.0\"?><DeleteResult><Error><Key>p/k</Key><Code>AccessDenied</Code><Message>m</Message></Error></DeleteResult>");
        message =
                String.valueOf(
                        fails(ErrorCode.DENIED, () -> store.delete(List.of("k"))).getMessage());
        assertTrue(message.contains("s3:DeleteObject"), message);
    }

    @Test
    void noAnswerToAGetIsUnavailable() {
        answers.answer(HttpExchange::close);
        fails(ErrorCode.UNAVAILABLE, this::get);
    }

    @Test
    void anAnswerThatIsDamagedIsFound() {
        int crc = Content.of("0123456789".getBytes(StandardCharsets.UTF_8)).crc32c();
        String[] headers = {
            "ETag", "\"t\"", "Last-Modified", DATE, "x-amz-meta-crc32c", "%08x".formatted(crc)
        };
        answers.answer(200, "0123456789", headers);
        assertEquals(10, store.get("k", (b, o, l) -> {}).length());
        answers.requests();
        answers.answer(200, "0123456780", headers);
        fails(ErrorCode.CORRUPTION, this::get);
        answers.answer(200, "012345678", headers);
        fails(ErrorCode.CORRUPTION, this::get);
        answers.answer(200, "0123456789", "ETag", "\"t\"", "Last-Modified", DATE);
        // More often than there are connections: a refused answer must not keep one.
        for (int i = 0; i < 10; i++) {
            fails(ErrorCode.CORRUPTION, this::get);
        }
        answers.answer(exchange -> {
            for (int i = 0; i < headers.length; i += 2) {
                exchange.getResponseHeaders().set(headers[i], headers[i + 1]);
            }
            exchange.sendResponseHeaders(200, 10);
            exchange.getResponseBody().write("01234".getBytes(StandardCharsets.UTF_8));
            exchange.getResponseBody().flush();
        });
        fails(ErrorCode.UNAVAILABLE, this::get);
        byte[] part = new byte[10];
        fails(ErrorCode.UNAVAILABLE, () -> store.get("k", 0, part, 0, 10));
    }

    private static String version(
            String element, String key, String id, int second, boolean newest) {
        return "<%s><Key>p/%s</Key><VersionId>%s</VersionId><IsLatest>%s</IsLatest><LastModified>2026-11-24T12:00:%02dZ</LastModified>%s</%s>"
                .formatted(
                        element,
                        key,
                        id,
                        newest,
                        second,
                        element.equals("Version") ? "<Size>7</Size>" : "",
                        element);
    }

    @Test
    void versionsAndDeletionsOfAllPagesAreInOrder() {
        List<String> asked = new CopyOnWriteArrayList<>();
        answers.answer(exchange -> {
            String query = String.valueOf(exchange.getRequestURI().getQuery());
            asked.add(query);
            boolean first = !query.contains("key-marker=p/b");
            // Puts and deletions come apart; a deletion in the second of a put is the newer one.
            String body =
                    first
                            ? version("DeleteMarker", "a", "3", 5, true)
                                    + version("Version", "a", "2", 5, false)
                                    + version("Version", "a", "1", 1, false)
                                    + version("Version", "b", "5", 6, true)
                            : version("Version", "b", "4", 2, false)
                                    + version("Version", "../x", "6", 2, true);
            byte[] bytes =
                    "<ListVersionsResult><IsTruncated>%s</IsTruncated>%s%s</ListVersionsResult>"
                            .formatted(
                                    first,
                                    first
                                            ? "<NextKeyMarker>p/b</NextKeyMarker><NextVersionIdMarker>5</NextVersionIdMarker>"
                                            : "",
                                    body)
                            .getBytes(StandardCharsets.UTF_8);
            exchange.sendResponseHeaders(200, bytes.length);
            exchange.getResponseBody().write(bytes);
        });
        ObjectVersions.Page page = store.versions("", null);
        assertEquals(
                List.of("a 3", "a 2", "a 1", "b 5"),
                page.versions().stream().map(v -> v.key() + " " + v.id()).toList());
        assertTrue(page.versions().getFirst().deletion());
        assertEquals(7, page.versions().get(1).length());
        ObjectVersions.Page last = store.versions("", page.next());
        assertEquals(
                List.of("b 4"), last.versions().stream().map(v -> v.key() + " " + v.id()).toList());
        assertNull(last.next());
        assertTrue(asked.getLast().contains("version-id-marker=5"), asked.toString());
    }

    @Test
    void withoutIdentityNothingIsAsked() {
        AwsCredentialsProviderChain nobody =
                AwsCredentialsProviderChain.of(SystemPropertyCredentialsProvider.create());
        try (S3Store anonymous = new S3Store(settings(), nobody)) {
            PageserverException e =
                    assertThrows(
                            PageserverException.class, () -> anonymous.get("k", (b, o, l) -> {}));
            assertEquals(ErrorCode.DENIED, e.code(), e.getMessage());
            assertEquals("no identity", anonymous.identity());
            assertEquals(0, answers.requests());
        }
        assertEquals(
                "access key AKIA...MPLE from code",
                store.identity().replaceAll("from .*", "from code"));
        assertEquals("the environment", S3Errors.source("EnvironmentVariableCredentialsProvider"));
        assertFalse(AnonymousCredentialsProvider.create().toString().contains(SECRET));
    }
}
