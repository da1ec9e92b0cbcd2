package io.palimpsest.server.config;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.PageserverException;
import io.palimpsest.server.store.StoreSettings;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

class RemoteStorageTest {
    private static @Nullable StoreSettings read(String file, String... fragments) {
        return ServerConfig.read("pageserver.toml", file, List.of(fragments)).remoteStorage();
    }

    private static String refusal(String file, String... fragments) {
        return String.valueOf(
                assertThrows(PageserverException.class, () -> read(file, fragments)).getMessage());
    }

    @Test
    void noneIsConfiguredByDefault() {
        assertNull(read(""));
    }

    @Test
    void theDocumentedFormsAreTaken() {
        assertEquals(
                new StoreSettings.Local(Path.of("/some/path/")),
                read("", "remote_storage={local_path='/some/path/'}"));
        StoreSettings s3 =
                new StoreSettings.S3(
                        "b1b", "eu-north-1", "p/", null, null, StoreSettings.Bounds.DEFAULT);
        assertEquals(
                s3,
                read(
                        "",
                        "remote_storage={bucket_name='b1b',bucket_region='eu-north-1',prefix_in_bucket='/p/'}"));
        assertEquals(
                s3,
                read(
                        """
                        [remote_storage]
                        bucket_name = 'b1b'
                        bucket_region = 'eu-north-1'
                        prefix_in_bucket = 'p'
                        """));
        assertEquals(
                new StoreSettings.Azure(
                        "box",
                        "account1",
                        "northeurope",
                        "a/b/",
                        null,
                        new StoreSettings.Bounds(
                                7, 50, Duration.ofMinutes(1), Duration.ofSeconds(5))),
                read(
                        """
                        [remote_storage]
                        container_name = 'box'
                        storage_account = 'account1'
                        container_region = 'northeurope'
                        prefix_in_container = '/a/b'
                        concurrency_limit = 7
                        max_keys_per_list_response = 50
                        timeout = '1 m'
                        small_timeout = '5 s'
                        """));
    }

    @Test
    void aLaterTableTakesThePlaceOfAnEarlierOne() {
        assertEquals(
                new StoreSettings.Local(Path.of("/b")),
                read(
                        "[remote_storage]\nbucket_name='bbb'\nbucket_region='r'",
                        "remote_storage={local_path='/a'}",
                        "remote_storage={local_path='/b'}"));
    }

    @Test
    void allContradictionsAreToldAtOnce() {
        String message =
                refusal(
                        """
                        wait_lsn_timeout = 'soon'
                        [remote_storage]
                        local_path = '/a'
                        bucket_name = 'B_'
                        container_name = 'box'
                        concurrency_limit = 0
                        bucket = 'x'
                        timeout = 5
                        """);
        for (String part :
                List.of(
                        "line 1: wait_lsn_timeout",
                        "local_path and bucket_name and container_name do not go together",
                        "line 6: remote_storage.concurrency_limit",
                        "line 7: remote_storage.bucket: unknown",
                        "line 8: remote_storage.timeout")) {
            assertTrue(message.contains(part), part + " in " + message);
        }
        message = refusal("", "remote_storage={bucket_name='B_',prefix_in_bucket='../up'}");
        assertTrue(message.contains("remote_storage.bucket_name: expected"), message);
        assertTrue(message.contains("remote_storage.bucket_region is missing"), message);
        assertTrue(message.contains("remote_storage.prefix_in_bucket: expected"), message);
        assertTrue(refusal("", "remote_storage={}").contains("names no store"));
        assertTrue(refusal("", "remote_storage='s3'").contains("remote_storage"));
        assertTrue(
                refusal("", "remote_storage={local_path='/a',endpoint='http://h'}")
                        .contains("a local store has none"));
    }

    @Test
    void azuresOwnKeys() {
        String table =
                "remote_storage={container_name='box',storage_account='account1',container_region='r',conn_pool_size=20,put_block_size_mb=16}";
        StoreSettings.Azure azure = assertInstanceOf(StoreSettings.Azure.class, read("", table));
        assertEquals(20, azure.idleConnections());
        assertEquals(16 << 20, azure.blockSize());
        StoreSettings.Azure usual =
                assertInstanceOf(
                        StoreSettings.Azure.class,
                        read("", table.replace("conn_pool_size=20,", "").replace("=16", "=0")));
        assertEquals(8, usual.idleConnections());
        assertEquals(8 << 20, usual.blockSize());
        String message = refusal("", table.replace("=20", "=0").replace("=16", "=257"));
        assertTrue(message.contains("remote_storage.conn_pool_size: expected"), message);
        assertTrue(message.contains("remote_storage.put_block_size_mb: expected"), message);
        message =
                refusal(
                        "",
                        "remote_storage={bucket_name='bbb',bucket_region='r',put_block_size_mb=16}");
        assertTrue(
                message.contains("bucket_name and put_block_size_mb do not go together"), message);
    }

    @Test
    void theFormForGooglesStoreIsToldApart() {
        String message = refusal("", "remote_storage={bucket_name='bbb'}");
        assertTrue(message.contains("Google Cloud Storage, which is not supported"), message);
    }

    @Test
    void whatMayBeASecretIsNotRepeated() {
        String message =
                refusal(
                        "",
                        "remote_storage={bucket_name='bbb',bucket_region='r',endpoint='https://u:hunter2@h',secret_key='hunter2'}");
        assertTrue(message.contains("remote_storage.endpoint: no user"), message);
        assertTrue(message.contains("remote_storage.secret_key: unknown"), message);
        assertFalse(message.contains("hunter2"), message);
    }
}
