"""Yu, Koltun, Funkhouser: Dilated Residual Networks, CVPR 2017, arXiv:1705.09914."""
