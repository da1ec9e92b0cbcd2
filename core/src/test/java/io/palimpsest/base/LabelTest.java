package io.palimpsest.base;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class LabelTest {
    @ParameterizedTest
    @ValueSource(
            strings = {
                "main",
                "7",
                "_x",
                "preview/pr-12",
                "a.b-c_D/9",
                "feed",
                "latest1",
                "d87061ac791d44a963416f8fe634a26",
                "012345678901234567890123456789012345678901234567890123456789012",
            })
    void aName(String text) {
        assertEquals(text, new Label(text).toString());
    }

    /** What could be an option, a path, an id, a point, or needs quoting. */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "-x",
                ".",
                "a/../b",
                "a//b",
                "/a",
                "a/",
                "a b",
                "a@b",
                "a:b",
                "^self",
                "a%2Fb",
                "ä",
                "a\n",
                "latest",
                "oldest",
                "self",
                "parent",
                "d87061ac791d44a963416f8fe634a26c",
                "D87061AC791D44A963416F8FE634A26C",
                "0123456789012345678901234567890123456789012345678901234567890123",
            })
    void noName(String text) {
        PageserverException e = assertThrows(PageserverException.class, () -> new Label(text));
        assertEquals(ErrorCode.BAD_REQUEST, e.code());
    }
}
