"""The sending side: takes mail from the MTA by LMTP, and delivers it to receivers."""
