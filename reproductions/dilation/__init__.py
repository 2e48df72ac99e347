"""Yu, Koltun: Multi-Scale Context Aggregation by Dilated Convolutions, ICLR 2016, arXiv:1511.07122."""
