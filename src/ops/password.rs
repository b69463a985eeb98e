//! Passwords as argon2id hashes. Slow on purpose: never called on a thread that serves requests.

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};

use super::Error;

/// Shorter passwords are refused: NIST SP 800-63B (2025), 3.1.1.2, asks for 15 where the password is the only factor and
/// allows 8 otherwise; 12 is what people put up with.
const SHORTEST: usize = 12;
/// Longer ones are no passwords, and would cost time to hash.
const LONGEST: usize = 1024;

/// Hashes a password that somebody has chosen.
///
/// # Errors
/// When it is too short or too long.
pub(super) fn hash(password: &str) -> Result<String, Error> {
    let length = password.chars().count();
    if length < SHORTEST {
        return Err(Error::Password {
            problem: format!("it has {length} characters, and {SHORTEST} are the least"),
        });
    }
    if password.len() > LONGEST {
        return Err(Error::Password {
            problem: format!("it is longer than {LONGEST} bytes"),
        });
    }
    let hash = Argon2::default().hash_password(password.as_bytes());
    hash.map(|hash| hash.to_string())
        .map_err(|error| Error::Program {
            message: format!("the password could not be hashed: {error}"),
            help: String::new(),
        })
}

/// Says that `password` is the one of `hash`. Without a hash it takes as long and says no, so that nobody learns from the
/// time which accounts there are.
pub(super) fn is_right(password: &str, hash: Option<&str>) -> bool {
    // The hash of nothing anyone can type, with the parameters of all others.
    const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5IGxvZ3MgaW4$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    if password.len() > LONGEST {
        return false;
    }
    let is_match = PasswordHash::new(hash.unwrap_or(NOBODY)).is_ok_and(|hash| {
        Argon2::default()
            .verify_password(password.as_bytes(), &hash)
            .is_ok()
    });
    is_match && hash.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_known_by_its_hash_and_no_other_is() {
        let stored = hash("correct horse battery").unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(is_right("correct horse battery", Some(&stored)));
        assert!(!is_right("correct horse batterx", Some(&stored)));
        assert!(!is_right("correct horse battery", None));
        assert!(!is_right("", Some("no hash")));
    }

    #[test]
    fn two_hashes_of_one_password_differ() {
        assert_ne!(
            hash("correct horse battery").unwrap(),
            hash("correct horse battery").unwrap()
        );
    }

    #[test]
    fn short_and_endless_passwords_are_refused() {
        assert!(matches!(hash("short"), Err(Error::Password { .. })));
        assert!(matches!(
            hash(&"x".repeat(1025)),
            Err(Error::Password { .. })
        ));
        assert!(!is_right(&"x".repeat(1 << 20), None));
    }

    #[test]
    fn the_hash_of_nobody_is_one_that_can_be_held_against() {
        // An unreadable one would be refused at once, and the time would tell.
        let started = std::time::Instant::now();
        is_right("anything", None);
        let nobody = started.elapsed();
        assert!(nobody.as_micros() > 500, "{nobody:?}: it was not hashed");
    }
}
