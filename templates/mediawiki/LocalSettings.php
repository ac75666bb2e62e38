<?php

// Part of the image, as the site has no such file of its own. One that it has
// takes the place of this one: it begins with the next line, and then says
// what is different, and which extensions there are.
require '/usr/local/share/sitectl/mediawiki/settings.php';
