<?php

declare(strict_types=1);

namespace Guestbook;

use RuntimeException;

/** An entry the guestbook does not take; the message is for the visitor. */
final class Refused extends RuntimeException
{
}
