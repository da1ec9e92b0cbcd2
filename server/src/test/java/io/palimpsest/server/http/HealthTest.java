package io.palimpsest.server.http;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

class HealthTest {
    private final AtomicInteger tenants = new AtomicInteger(3);
    private final AtomicLong room = new AtomicLong(1L << 40);
    private final AtomicBoolean answered = new AtomicBoolean(true);
    private final Health health = new Health(tenants::get, room::get, answered::get);

    private void ready(int status, String... words) {
        ManagementRoutes.Answer answer = health.ready(true);
        String body = String.valueOf(answer.body());
        assertEquals(status, answer.status(), body);
        for (String word : words) {
            assertTrue(body.contains(word), body);
        }
    }

    @Test
    void isReadyWhenItCanServe() {
        ready(200, "\"ready\":true", "3 loaded", "1024.0 GiB left", "has answered");
    }

    @Test
    void aStoreThatIsAwayMattersOnlyToAnEmptyServer() {
        answered.set(false);
        ready(200);
        tenants.set(0);
        ready(503, "nothing is here without it");
    }

    @Test
    void aFullDiskAndAStopAreSaid() {
        room.set(1 << 20);
        ready(503, "\"name\":\"disk\",\"ok\":false");
        assertEquals(1, health.ready(false).body().get("checks").size(), "only what is wrong");
        room.set(1L << 40);
        health.drain();
        ready(503, "about to stop");
    }
}
