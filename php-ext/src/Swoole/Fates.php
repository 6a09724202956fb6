<?php

declare(strict_types=1);

namespace WsPush\Swoole;

use WsPush\Exception;

/**
 * What becomes of Swoole's settings, by the lists of the class that uses this: OPTIONS, OWN, HARMLESS, MUST_BE_OFF, MUST_BE_ON.
 *
 * @internal used by Settings and ClientSettings
 */
trait Fates
{
    /**
     * Looks at each setting.
     *
     * @param array<string, mixed> $settings
     *
     * @throws Exception NOT_YET, naming a setting that would change what happens; VALUE
     */
    public static function check(array $settings): void
    {
        foreach ($settings as $name => $value) {
            $fine = match (true) {
                isset(self::OPTIONS[$name]), \in_array($name, self::OWN, true) => \is_scalar($value)
                    ? true
                    : throw new Exception("the setting $name takes no " . \get_debug_type($value), Exception::VALUE),
                \in_array($name, self::MUST_BE_OFF, true) => !$value,
                \in_array($name, self::MUST_BE_ON, true) => (bool) $value,
                default => \in_array($name, self::HARMLESS, true),
            };
            if (!$fine) {
                throw Exception::notYet("Swoole's setting '$name' => " . \var_export($value, true));
            }
        }
    }

    /**
     * The settings that are options of the engine under another name.
     *
     * @param array<string, mixed> $settings checked ones
     *
     * @return array<string, int|float|string|bool>
     */
    private static function renamed(array $settings): array
    {
        $options = [];
        foreach (self::OPTIONS as $name => $option) {
            if (isset($settings[$name]) && \is_scalar($settings[$name])) {
                $options[$option] = $settings[$name];
            }
        }

        return $options;
    }
}
