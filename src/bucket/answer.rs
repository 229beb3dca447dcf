//! The judgement of a store's answer. Nothing that a store sent is part of a message but codes that are known. Pure.

/// The last that was seen of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// A status, and the code in the body if it is known.
    Status(u16, Option<&'static str>),
    /// No whole answer, for this reason.
    Broken(String),
}

/// The meaning of an answer to a request that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Meaning {
    /// There is no such file.
    Absent,
    /// The file has no such bytes.
    Outside,
    /// The file is not what the condition of the request says.
    Changed,
    /// The same request may succeed later; with the fault, as the rest of a sentence about the store.
    Later(String),
    /// It will not; with the refusal and its remedy.
    Never(String),
}

/// Codes that may be shown. A store that is not what it seems can put anything else in its answers.
const CODES: &[&str] = &[
    "AccessDenied",
    "AccountIsDisabled",
    "AllAccessDisabled",
    "AuthenticationFailed",
    "AuthorizationFailure",
    "AuthorizationHeaderMalformed",
    "AuthorizationPermissionMismatch",
    "ConditionNotMet",
    "ConditionalRequestConflict",
    "ContainerBeingDeleted",
    "ContainerNotFound",
    "EntityTooLarge",
    "ExpiredToken",
    "InsufficientAccountPermissions",
    "InternalError",
    "InvalidAccessKeyId",
    "InvalidArgument",
    "InvalidAuthenticationInfo",
    "InvalidBucketName",
    "InvalidObjectState",
    "InvalidRequest",
    "InvalidSecurity",
    "InvalidToken",
    "KMS.DisabledException",
    "NoSuchBucket",
    "NoSuchUpload",
    "NotImplemented",
    "OperationAborted",
    "OperationTimedOut",
    "PermanentRedirect",
    "QuotaExceeded",
    "RequestTimeTooSkewed",
    "RequestTimeout",
    "ServerBusy",
    "ServiceUnavailable",
    "SignatureDoesNotMatch",
    "SlowDown",
    "TemporaryRedirect",
    "TokenRefreshRequired",
    "XMinioStorageFull",
];

/// Returns the code in the body of an answer.
pub(super) fn code(body: &[u8]) -> Option<&'static str> {
    let text = std::str::from_utf8(body).ok()?;
    let code = text.split_once("<Code>")?.1.split_once("</Code>")?.0;
    CODES.iter().copied().find(|known| *known == code)
}

/// Judges the answer to a request that failed.
pub(super) fn judge(answer: &Answer) -> Meaning {
    let (status, code) = match answer {
        Answer::Broken(reason) => return Meaning::Later(format!("does not answer: {reason}")),
        Answer::Status(status, code) => (*status, *code),
    };
    let said = code.map(|code| format!(" {code}")).unwrap_or_default();
    match (status, code) {
        (_, Some("NoSuchBucket" | "ContainerNotFound")) => {
            Meaning::Never(format!("does not exist ({status}{said}): create the bucket first, or correct its name"))
        }
        (_, Some("RequestTimeTooSkewed")) => {
            Meaning::Never(format!("refuses this machine's time ({status}{said}): set its clock"))
        }
        (400, Some("RequestTimeout")) => Meaning::Later(format!("answers {status}{said}")),
        (401 | 403, _)
        | (400, Some("ExpiredToken" | "InvalidToken" | "TokenRefreshRequired" | "AuthorizationHeaderMalformed")) => {
            Meaning::Never(format!(
                "refuses these credentials ({status}{said}): correct them or the region, and the rights to list, read and write"
            ))
        }
        (404, _) => Meaning::Absent,
        (409 | 412, _) => Meaning::Changed,
        (416, _) => Meaning::Outside,
        (408 | 429, _) => Meaning::Later(format!("answers {status}{said}")),
        (501, _) => {
            Meaning::Never(format!("cannot do what a copy needs ({status}{said}): use another store, or a directory"))
        }
        (500.., _) => Meaning::Later(format!("answers {status}{said}")),
        (300..400, _) => Meaning::Never(format!(
            "answers with a redirect ({status}{said}), which is not followed: set the region or the endpoint of the bucket"
        )),
        (400..500, _) => Meaning::Never(format!("refuses what was asked ({status}{said})")),
        _ => Meaning::Later(format!("answers {status}, but nothing that a store answers")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_final_only_where_a_repetition_cannot_help() {
        let body = |code: &str| format!("<Error><Code>{code}</Code><Message>canary</Message></Error>");
        for (status, said, expected) in [
            (200, "", "later"),
            (301, "PermanentRedirect", "never"),
            (400, "RequestTimeout", "later"),
            (400, "ExpiredToken", "never"),
            (400, "InvalidRequest", "never"),
            (401, "", "never"),
            (403, "SignatureDoesNotMatch", "never"),
            (404, "NoSuchKey", "absent"),
            (404, "NoSuchBucket", "never"),
            (408, "", "later"),
            (409, "OperationAborted", "changed"),
            (412, "PreconditionFailed", "changed"),
            (416, "InvalidRange", "outside"),
            (429, "", "later"),
            (500, "InternalError", "later"),
            (501, "NotImplemented", "never"),
            (503, "SlowDown", "later"),
        ] {
            let meaning = judge(&Answer::Status(status, code(body(said).as_bytes())));
            let (kind, text) = match meaning {
                Meaning::Absent => ("absent", String::new()),
                Meaning::Outside => ("outside", String::new()),
                Meaning::Changed => ("changed", String::new()),
                Meaning::Later(text) => ("later", text),
                Meaning::Never(text) => ("never", text),
            };
            assert_eq!(kind, expected, "{status} {said}");
            assert!(text.is_empty() || text.contains(&status.to_string()), "{text}");
        }
        // A code that is not known is not shown, whatever it is.
        for odd in ["canary", "AKIAcanary", "", "AccessDenied "] {
            assert_eq!(code(body(odd).as_bytes()), None);
        }
        assert_eq!(code(b"\xff<Code>SlowDown</Code>"), None);
    }
}
