<?php

declare(strict_types=1);

namespace Relay\Outgoing;

use Relay\Fields;

/**
 * Which errors of the Graph API pass, and which stay.
 *
 * From https://developers.facebook.com/docs/graph-api/guides/error-handling,
 * https://developers.facebook.com/docs/messenger-platform/error-codes and
 * https://developers.facebook.com/docs/graph-api/overview/rate-limiting. What they do not list is taken as lasting, unless the
 * API says is_transient or the status is one of a server in trouble: an agent can always try again by hand.
 */
final class GraphErrors
{
    /** Unknown error, service down, temporary failure of sending. */
    private const PASSING = [1, 2, 1200];
    /** Too many calls: of the app, of the user, of the Page, of the app again, of this API, of the Messenger Platform for the Page. */
    private const LIMITS = [4, 17, 32, 341, 613, 80006];
    /** code-subcode of those that share a passing code and stay all the same: permissions, terms, frequency of marketing. */
    private const STAYING = ['1-99', '2-2018344', '4-2018354'];
    /** "Received invalid JSON reply": documented as an error that comes although the message was sent. */
    private const PERHAPS_SENT = ['1-1357046'];
    /** A server that says that it did not serve; other statuses of its kind come from a gateway, too, which does not know. */
    private const NOT_SERVED = 503;
    private const TOKEN = [102, 190];
    private const WINDOW = 10;
    private const UNREACHABLE = 551;

    /** @param Fields $error the object "error" of the reply; empty if it had none */
    public static function judge(int $status, Fields $error): Outcome
    {
        $code = $error->int('code');
        $subcode = $error->int('error_subcode');
        $name = $error->has('code') ? "$code" . ($subcode === 0 ? '' : "-$subcode") : "HTTP $status";
        $message = $error->text('message') ?: 'no explanation';
        if (\in_array("$code-$subcode", self::STAYING, true)) {
            return Outcome::failed("$message ($name)");
        }
        $isOfTheGateway = !$error->has('code') && $status >= 500 && $status !== self::NOT_SERVED;
        if ($isOfTheGateway || \in_array("$code-$subcode", self::PERHAPS_SENT, true)) {
            return Outcome::doubt("$message ($name)");
        }
        if (\in_array($code, self::LIMITS, true) || $status === 429) {
            return Outcome::later("too many calls ($name)", true);
        }
        if (\in_array($code, self::PASSING, true) || $error->isTrue('is_transient') || $status >= 500) {
            return Outcome::later("$message ($name)");
        }

        return Outcome::failed(match (true) {
            \in_array($code, self::TOKEN, true) => "the page token is not valid any more ($name)",
            // As a rule for coming more than 24 hours after the customer's last message.
            $code === self::WINDOW => "not permitted, or too late after the customer's last message ($name)",
            $code === self::UNREACHABLE => "the customer does not take messages now ($name)",
            default => "$message ($name)",
        });
    }
}
