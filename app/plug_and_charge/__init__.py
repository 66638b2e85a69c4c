"""Plug & Charge over DataTransfer (OCA application note 'Using ISO 15118 Plug & Charge with OCPP 1.6')."""
