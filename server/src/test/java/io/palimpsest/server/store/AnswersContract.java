package io.palimpsest.server.store;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.net.httpserver.HttpExchange;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.port.ObjectStore;
import io.palimpsest.port.ObjectStore.Condition;
import io.palimpsest.port.ObjectStore.Content;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What is true of the answers of any store that is asked by HTTP: each is asked for once only. */
abstract class AnswersContract {
    final Answers answers = new Answers();

    abstract ObjectStore store();

    /** What no failure may tell. */
    abstract List<String> secrets();

    @BeforeEach
    void forget() {
        answers.requests();
    }

    @AfterEach
    void stop() {
        answers.close();
    }

    void put() {
        store().put("k", Content.of(new byte[10]), Condition.ABSENT);
    }

    void get() {
        store().get("k", (b, o, l) -> {});
    }

    /** The exception, which must have come of one request, and tell no secret. */
    PageserverException fails(ErrorCode code, Runnable action) {
        PageserverException e = assertThrows(PageserverException.class, action::run);
        assertEquals(code, e.code(), e.getMessage());
        assertEquals(1, answers.requests(), "requests for " + e.getMessage());
        StringWriter trace = new StringWriter();
        e.printStackTrace(new PrintWriter(trace));
        for (String secret : secrets()) {
            assertFalse(trace.toString().contains(secret), trace.toString());
        }
        return e;
    }

    @Test
    void noAnswerIsUnavailable() {
        answers.answer(HttpExchange::close);
        fails(ErrorCode.UNAVAILABLE, this::put);
        answers.answer(exchange -> {
            try {
                Thread.sleep(10_000);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        });
        long start = System.nanoTime();
        fails(ErrorCode.UNAVAILABLE, this::put);
        assertTrue(System.nanoTime() - start < 8_000_000_000L);
        answers.close();
        PageserverException e = assertThrows(PageserverException.class, this::put);
        assertEquals(ErrorCode.UNAVAILABLE, e.code(), e.getMessage());
    }
}
