"""A local AWS that answers as AWS does where operators break.

moto's server stands behind; this package stands in front of it, in the same process. It keeps EC2's
instances, their volumes and network interfaces, security groups, public images and tags itself, and leaves
the rest to moto. The statements E1..E60 cited throughout are those of the design page on EC2's behaviour.
"""

import os

# moto would make a volume and a snapshot for each of its AMIs in each Region; images are kept here.
os.environ.setdefault("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
