"""An audit's records on a disk or in a bucket, shard by shard, so that it can be gone on with."""
