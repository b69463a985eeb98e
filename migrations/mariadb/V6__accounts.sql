-- Staff accounts, their sessions, and the tokens of programs.
--
-- No secret is stored: of passwords an argon2id hash in PHC form, of session and API tokens the SHA-256 of 256 random
-- bits. No row of users or api_tokens is ever deleted, so that the history can always say who it was.

CREATE TABLE IF NOT EXISTS users (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    name LONGTEXT NOT NULL,
    -- The name in lower case: two accounts never differ by case alone.
    name_key VARCHAR(191) NOT NULL UNIQUE,
    password LONGTEXT NOT NULL,
    is_active BIGINT NOT NULL CHECK (is_active IN (0, 1)),
    is_staff BIGINT NOT NULL CHECK (is_staff IN (0, 1)),
    is_superuser BIGINT NOT NULL CHECK (is_superuser IN (0, 1)),
    created_at BIGINT NOT NULL,
    password_changed_at BIGINT NOT NULL,
    last_login_at BIGINT
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_nopad_bin;

CREATE TABLE IF NOT EXISTS sessions (
    token_hash VARCHAR(191) NOT NULL PRIMARY KEY,
    user_id BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    last_seen_at BIGINT NOT NULL,
    address LONGTEXT NOT NULL,
    FOREIGN KEY (user_id) REFERENCES users (id)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_nopad_bin;

CREATE INDEX IF NOT EXISTS sessions_user ON sessions (user_id);

CREATE TABLE IF NOT EXISTS api_tokens (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    name LONGTEXT NOT NULL,
    token_hash VARCHAR(191) NOT NULL UNIQUE,
    -- read, plan, apply: separated by blanks.
    scopes LONGTEXT NOT NULL,
    created_at BIGINT NOT NULL,
    created_by LONGTEXT NOT NULL,
    expires_at BIGINT,
    last_used_at BIGINT,
    revoked_at BIGINT,
    revoked_by LONGTEXT,
    CHECK ((revoked_at IS NULL) = (revoked_by IS NULL))
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_nopad_bin;

-- Log-ins that failed lately, one row a try: what the rate limit counts. Old rows go with each new one.
CREATE TABLE IF NOT EXISTS login_failures (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    account LONGTEXT NOT NULL,
    address LONGTEXT NOT NULL,
    at BIGINT NOT NULL
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_nopad_bin;

CREATE INDEX IF NOT EXISTS login_failures_at ON login_failures (at);
