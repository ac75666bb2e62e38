<?php

// Part of the image, as the site has no such file of its own. One that it has
// takes the place of this one, and needs the next line.
require '/usr/local/share/sitectl/wordpress/bedrock.php';
