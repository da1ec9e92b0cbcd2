package io.palimpsest.server.store;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.port.ObjectStore;
import io.palimpsest.port.ObjectStore.Content;
import io.palimpsest.port.ObjectVersions;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.Base64;
import java.util.List;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;

/** What Azure's answers mean, each asked for once only. */
class AzureAnswersTest extends AnswersContract {
    private static final String SECRET =
            Base64.getEncoder().encodeToString("a key that nobody sees".getBytes());

    private final AzureStore store = new AzureStore(settings(), SECRET);

    @Override
    ObjectStore store() {
        return store;
    }

    @Override
    List<String> secrets() {
        return List.of(SECRET, "SharedKey");
    }

    private StoreSettings.Azure settings() {
        return new StoreSettings.Azure(
                "container",
                "account",
                "northeurope",
                "p/",
                answers.endpoint() + "/account",
                new StoreSettings.Bounds(4, 1000, Duration.ofSeconds(2), Duration.ofSeconds(2)));
    }

    private void azureError(int status, String code) {
        answers.answer(
                status,
                "<?xml version=\"1.0\"?><Error><Code>%s</Code><Message>The MAC signature 'SharedKey x:y' ...</Message></Error>"
                        .formatted(code),
                "Content-Type",
                "application/xml",
                "x-ms-error-code",
                code);
    }

    @Test
    void codesMeanWhatTheyMean() {
        azureError(503, "ServerBusy");
        fails(ErrorCode.THROTTLED, this::put);
        azureError(500, "OperationTimedOut");
        fails(ErrorCode.UNAVAILABLE, this::put);
        azureError(500, "InternalError");
        fails(ErrorCode.UNAVAILABLE, this::get);
        azureError(409, "BlobAlreadyExists");
        fails(ErrorCode.CONFLICT, this::put);
        azureError(412, "ConditionNotMet");
        fails(ErrorCode.CONFLICT, this::put);
        azureError(404, "BlobNotFound");
        fails(ErrorCode.NOT_FOUND, this::get);
        fails(ErrorCode.NOT_FOUND, () -> store.head("k"));
        azureError(404, "ContainerNotFound");
        fails(ErrorCode.BAD_REQUEST, this::get);
        azureError(400, "Md5Mismatch");
        fails(ErrorCode.UNAVAILABLE, this::put);
    }

    @Test
    void whatIsDeniedNamesPermissionAndIdentity() {
        azureError(403, "AuthenticationFailed");
        String message = String.valueOf(fails(ErrorCode.DENIED, this::put).getMessage());
        assertTrue(message.contains("blobs/write"), message);
        assertTrue(
                message.contains("account account with the key from AZURE_STORAGE_ACCESS_KEY"),
                message);
        message = String.valueOf(fails(ErrorCode.DENIED, this::get).getMessage());
        assertTrue(message.contains("blobs/read"), message);
    }

    @Test
    void anAnswerThatIsDamagedIsFound() {
        int crc = Content.of("0123456789".getBytes(StandardCharsets.UTF_8)).crc32c();
        String[] headers = {
            "ETag",
            "\"t\"",
            "Last-Modified",
            "Tue, 24 Nov 2026 12:00:00 GMT",
            "Content-Range",
            "bytes 0-9/10",
            "x-ms-meta-crc32c",
            "%08x".formatted(crc)
        };
        answers.answer(206, "0123456789", headers);
        assertEquals(10, store.get("k", (b, o, l) -> {}).length());
        answers.requests();
        answers.answer(206, "0123456780", headers);
        fails(ErrorCode.CORRUPTION, this::get);
        answers.answer(206, "012345678", headers);
        fails(ErrorCode.UNAVAILABLE, this::get);
        headers[6] = "x-ms-meta-other";
        answers.answer(206, "0123456789", headers);
        fails(ErrorCode.CORRUPTION, this::get);
    }

    private static String version(String name, String id, int bytes, boolean current) {
        return "<Blob><Name>p/%s</Name><VersionId>%s</VersionId>%s<Properties><Last-Modified>Tue, 24 Nov 2026 12:00:00 GMT</Last-Modified><Etag>0x1</Etag><Content-Length>%d</Content-Length><BlobType>BlockBlob</BlobType></Properties></Blob>"
                .formatted(
                        name,
                        id,
                        current ? "<IsCurrentVersion>true</IsCurrentVersion>" : "",
                        bytes);
    }

    private void answerVersions(String blobs) {
        answers.answer(
                200,
                "<?xml version=\"1.0\" encoding=\"utf-8\"?><EnumerationResults ServiceEndpoint=\"http://x/\" ContainerName=\"container\"><Blobs>%s</Blobs><NextMarker/></EnumerationResults>"
                        .formatted(blobs),
                "Content-Type",
                "application/xml");
    }

    /** As Azure documents its answers; Azurite keeps no versions. */
    @Test
    void versionsComeNewestFirstAndADeletionHasNoTime() {
        answerVersions(
                version("a", "2026-11-24T12:00:01.0000000Z", 1, false)
                        + version("a", "2026-11-24T12:00:02.5000000Z", 2, true)
                        + version("b", "2026-11-24T12:00:03.0000000Z", 3, false));
        ObjectVersions.Page page = store.versions().versions("", null);
        assertEquals(
                List.of("a 2 false", "a 1 false", "b 0 true", "b 3 false"),
                page.versions().stream()
                        .map(v -> v.key() + " " + v.length() + " " + v.deletion())
                        .toList());
        assertEquals(
                Instant.parse("2026-11-24T12:00:02.500Z").toEpochMilli(),
                page.versions().getFirst().modifiedMillis());
        assertEquals(Long.MAX_VALUE, page.versions().get(2).modifiedMillis());
        answers.requests();
        answerVersions(version("a", "", 1, true));
        fails(ErrorCode.UNSUPPORTED, () -> store.versions().versions("", null));
    }

    @Test
    void aKeyThatIsNoneIsNotTold() {
        String wrong = "not base64: hunter2";
        PageserverException e =
                assertThrows(PageserverException.class, () -> new AzureStore(settings(), wrong));
        assertEquals(ErrorCode.BAD_REQUEST, e.code());
        assertFalse(String.valueOf(e.getMessage()).contains("hunter2"), e.getMessage());
        e =
                assertThrows(
                        PageserverException.class,
                        () -> StoreConnection.open(settings(), new TreeMap<>()));
        assertEquals(ErrorCode.DENIED, e.code());
        assertTrue(String.valueOf(e.getMessage()).contains("AZURE_STORAGE_ACCESS_KEY"));
    }
}
