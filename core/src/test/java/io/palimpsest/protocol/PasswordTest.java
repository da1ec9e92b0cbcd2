package io.palimpsest.protocol;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class PasswordTest {
    /** RFC 7677, section 3. */
    private static final String NONCE = "rOprNGfwEbeRWgbNEkqO";

    private static final String SERVER_FIRST =
            "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
                    + "s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";

    private final ScramClient scram = new ScramClient("user", "pencil", NONCE);

    @Test
    void answersTheExchangeOfTheRfc() {
        assertEquals("n,,n=user,r=" + NONCE, scram.first());
        assertEquals(
                "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
                        + "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
                scram.answer(SERVER_FIRST));
        scram.verify("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    }

    @Test
    void refusesAServerThatDoesNotKnowThePassword() {
        scram.answer(SERVER_FIRST);
        PageserverException e =
                assertThrows(
                        PageserverException.class,
                        () -> scram.verify("v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="));
        assertEquals(ErrorCode.SOURCE_BROKEN, e.code());
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "r=",
                "r=rOprNGfwEbeRWgbNEkqO,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
                "r=other,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
                "r=rOprNGfwEbeRWgbNEkqOx,s=*,i=4096",
                "r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=0",
                "r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=2000000000",
                "r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=x",
                "m=ext,r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=1",
            })
    void refusesMalformedMessages(String serverFirst) {
        PageserverException e =
                assertThrows(PageserverException.class, () -> scram.answer(serverFirst));
        assertEquals(ErrorCode.CORRUPTION, e.code());
    }

    @Test
    void preparesPasswords() {
        assertEquals("pencil", ScramClient.saslPrep("pencil"));
        // RFC 4013, section 3.
        assertEquals("IX", ScramClient.saslPrep("I\u00ADX"));
        assertEquals("a", ScramClient.saslPrep("\u00AA"));
        assertEquals("IX", ScramClient.saslPrep("\u2168"));
        assertEquals("a b", ScramClient.saslPrep("a\u00A0b"));
        assertEquals("\u0007\u00AA", ScramClient.saslPrep("\u0007\u00AA"));
    }

    @Test
    void digestsWithMd5() {
        assertEquals(
                "md5c91003a8d56a010699c823cdd5d088e3",
                PasswordDigest.md5(
                        "replicator", "s3cret", new byte[] {1, 2, (byte) 0xFE, (byte) 0xFF}));
    }
}
