-- What the relay asks of Messages. osascript reads this file from standard input and passes the values by argv, so
-- that no text ever becomes part of a script:
--
--   find-chat CHAT                            prints "found"; error -1728 if Messages has no such chat loaded
--   send-to-chat CHAT TEXT                    prints "sent"
--   send-to-participant SERVICE ADDRESS TEXT  prints "sent"; SERVICE is iMessage, SMS or RCS
--
-- An error ends osascript with status 1, and its number stands in parentheses at the end of stderr. An error of a
-- send does not prove that the text was not sent.
on run argv
	set verb to item 1 of argv
	with timeout of 140 seconds
		tell application "Messages"
			if verb is "find-chat" then
				get chat id (item 2 of argv)
				return "found"
			else if verb is "send-to-chat" then
				set theChat to chat id (item 2 of argv)
				send (item 3 of argv) to theChat
				return "sent"
			else if verb is "send-to-participant" then
				if item 2 of argv is "SMS" then
					set theAccount to 1st account whose service type = SMS
				else if item 2 of argv is "RCS" then
					set theAccount to 1st account whose service type = RCS
				else
					set theAccount to 1st account whose service type = iMessage
				end if
				send (item 4 of argv) to participant (item 3 of argv) of theAccount
				return "sent"
			end if
		end tell
	end timeout
	error "unknown verb: " & verb number 64
end run
