package io.palimpsest.regress.oracle;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.util.List;
import org.junit.jupiter.api.Test;

final class SqlScriptTest {
    @Test
    void cutsWherePsqlDoes() {
        assertEquals(
                List.of(
                        "select 'a;b', \"c;d\"",
                        "do $$ begin; end; $$",
                        "select $x$ ; $$ ; $x$, $1",
                        "/* ; */ select 1",
                        "last"),
                SqlScript.statements(
                        """
                        select 'a;b', "c;d"; -- no; comment
                        \\set x 1;
                        do $$ begin; end; $$;;
                        select $x$ ; $$ ; $x$, $1;
                        /* ; */ select 1;
                        last
                        """));
    }

    @Test
    void ourOwnScriptsAreWhole() throws IOException {
        for (String name :
                List.of(
                        "bulk.sql",
                        "bulk-schema.sql",
                        "rare.sql",
                        "extra.sql",
                        "extra-logical.sql")) {
            for (String statement : SqlScript.resource(name)) {
                assertEquals(
                        0,
                        statement.chars().filter(c -> c == '\'').count() % 2,
                        name + ": " + statement);
            }
        }
    }
}
